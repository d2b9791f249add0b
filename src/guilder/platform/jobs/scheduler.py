"""The scheduler: does what is due for tenants on the wall clock, and keeps the house.

Any number of them run at once: the rows are claimed (SKIP LOCKED) in the transaction that does the work, so nothing can
be left claimed, and a row that two of them found is done once. Who finds others at the first of what is due looks
further, and takes a part from anywhere among it: so they come to work side by side.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from guilder.kernel.ids import Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform import logging, metrics
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.db.wakes import first
from guilder.platform.jobs import store
from guilder.platform.jobs.batches import Batches, Outcome
from guilder.platform.jobs.sharing import Rounds, fair
from guilder.platform.jobs.store import JobFailure
from guilder.platform.jobs.timetable import Chore, Due, Job, Timetable

ACTOR = "scheduler"
RETRY_MAX_S = 3600.0
# How many rows that failed before are tried again, each alone, in one step.
RETRIES_MAX = 20
PAUSE_S = 2.0
# Where others are at what was found: look again soon, and among so many times as much at most.
CROWDED_PAUSE_S = 0.05
WIDTH_MAX = 16
# Beside an API a batch is so many times smaller.
BESIDE = 2
# A chore holds a connection while it uses others: as many at once as a pool has would wait for each other for ever.
CHORES_AT_ONCE = 2

_log = logging.get(__name__)


class Scheduler:
    """Runs a timetable.

    `tenants` names a SQL definer function, `schema.function(p_after uuid, p_limit int) returns table (tenant_id uuid)`:
    those on the wall clock, by id. With it batches are shared between them; without, what fell due first is done first.
    `gives_way` says whether somebody else needs this machine now: then batches are done one at a time, and half as large.
    `is_off` says whether this machine's clock is wrong: then nothing is done.
    """

    def __init__(
        self,
        database: Database,
        timetable: Timetable,
        *,
        clock: Clock,
        tenants: str | None = None,
        retry_max_s: float = RETRY_MAX_S,
        gives_way: Callable[[], Awaitable[bool]] | None = None,
        is_off: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._database = database
        self._timetable = timetable
        self._clock = clock
        self._rounds = Rounds(tenants) if tenants else None
        self._batches = Batches(database, retry_max_s=retry_max_s)
        self._gives_way = gives_way
        self._is_off = is_off
        self._widths: dict[str, int] = {}
        self._chores = asyncio.Semaphore(CHORES_AT_ONCE)

    async def step(self, job: Job) -> int:
        """Do up to `at_once` batches of what is due now for tenants on the wall clock; return how many rows were done."""
        began, now = self._clock.monotonic(), self._clock.now()
        found, again = await self.find(job, now=now)
        if not found and not again:
            return 0
        small = -(-job.batch_max // BESIDE)
        if len(found) > small and self._gives_way is not None and await self._gives_way():
            found = found[:small]
        outcome = await self._do(job, [due.ref for due in found], again, now=now)
        self._see_others(job, found=len(found), dealt_with=outcome.done + len(outcome.failed))
        late_s = (now - found[0].due_at).total_seconds() if found else 0.0
        said = "failed" if outcome.failed else "done" if outcome.done else "skipped"
        metrics.job_ran(job=job.name, outcome=said, seconds=self._clock.monotonic() - began, late_s=late_s)
        return outcome.done

    async def find(self, job: Job, *, now: datetime) -> tuple[list[Due], list[Ref]]:
        """Return what is due, and what is due and failed before; without what is still pushed aside."""
        size = job.batch_max * job.at_once
        limit = size * self._widths.get(job.name, 1)
        async with self._database.transaction(actor=ACTOR) as tx:
            failed = (await store.failures(tx, None, job=job.name)).get(job.name, {})
            found = await store.due(tx, [job], tenant_id=None, now=now, limits=[limit + len(failed)])
            if len(found) == limit + len(failed) and self._rounds and job.is_shared:
                found += await self._rounds.look(tx, job, found=found, failed=failed, limit=limit, now=now)
        fresh = fair((due for due in found if due.ref not in failed), limit)
        again = fair((due for due in found if failed.get(due.ref) is False), RETRIES_MAX)
        return _a_part(fresh, size), [due.ref for due in again]

    async def drain(self) -> int:
        """Do everything that is due now, job by job, until none has anything left; return how many rows."""
        total = 0
        while done := sum([await self.step(job) for job in self._timetable.jobs]):
            total += done
        return total

    async def do_chore(self, chore: Chore) -> bool:
        """Do a chore if it is due and no other node is at it; the transaction that guards it stays open meanwhile."""
        async with self._database.transaction(actor=ACTOR) as tx:
            if not await store.begin_chore(tx, chore.name, every_s=chore.every_s):
                return False
            await chore.run(self._database)
            await store.end_chore(tx, chore.name)
            return True

    async def run(self, stop: asyncio.Event) -> None:
        """Serve every job and chore until `stop`; what is under way then is finished."""
        jobs = [self._serve(job, stop) for job in self._timetable.jobs]
        chores = [self._keep(chore, stop) for chore in self._timetable.chores]
        await asyncio.gather(*jobs, *chores)

    async def _do(self, job: Job, refs: Sequence[Ref], again: Sequence[Ref], *, now: datetime) -> Outcome:
        shares = [refs[n : n + job.batch_max] for n in range(0, len(refs), job.batch_max)] or [[]]
        done = await asyncio.gather(
            *(
                self._batches.do(job, share, failed_before=() if n else again, now=now)
                for n, share in enumerate(shares)
            ),
            return_exceptions=True,
        )
        total = Outcome()
        for each in done:
            if isinstance(each, BaseException):
                raise each
            total += each
        return total

    def _see_others(self, job: Job, *, found: int, dealt_with: int) -> None:
        """Note whether somebody else was at most of what was found; it is forgotten little by little."""
        width = self._widths.get(job.name, 1)
        self._widths[job.name] = min(WIDTH_MAX, 2 * width) if 2 * dealt_with < found else max(1, width - 1)

    async def _serve(self, job: Job, stop: asyncio.Event) -> None:
        crowded_s = CROWDED_PAUSE_S
        while not stop.is_set():
            pause_s = job.every_s * random.uniform(0.8, 1.2)  # noqa: S311  (so that nodes do not walk in step)
            try:
                if await self._waits_for_the_time():
                    pause_s = PAUSE_S
                elif await self.step(job):
                    crowded_s = CROWDED_PAUSE_S
                    continue
                elif self._widths.get(job.name, 1) > 1:
                    # What was found is in others' hands. They are about to be done, or it is one that takes long.
                    pause_s, crowded_s = min(pause_s, crowded_s), 2 * crowded_s
            except Exception:  # noqa: BLE001  (a scheduler outlives whatever happens to the database)
                _log.exception("scheduler_stumbled", job=job.name)
                pause_s = PAUSE_S
            await first(stop, timeout_s=pause_s)

    async def _waits_for_the_time(self) -> bool:
        return self._is_off is not None and await self._is_off()

    async def _keep(self, chore: Chore, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with self._chores:
                    if not await self._waits_for_the_time():
                        await self.do_chore(chore)
            except Exception:  # noqa: BLE001  (as above)
                _log.exception("chore_failed", chore=chore.name)
            await first(stop, timeout_s=min(chore.every_s, 60.0) * random.uniform(0.5, 1.0))  # noqa: S311


def _a_part(due: Sequence[Due], size: int) -> list[Due]:
    """Return one of the parts of `size` that there are, any: every so-manieth, so that each part is as fair as the whole."""
    parts = max(1, -(-len(due) // size))
    return list(due[random.randrange(parts) :: parts])  # noqa: S311  (no secret)


async def failures(tx: Tx, *, page: PageQuery) -> Page[JobFailure]:
    """List the due rows that failed and are pushed aside, newest first."""
    rows = [JobFailure(**row) for row in await store.list_failures(tx, page)]
    return page_of(rows, page, lambda failure: failure.row_id)
