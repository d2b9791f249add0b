"""The time machine: takes a sandbox's clock forward, so that everything due on the way is done in the order it fell due.

One step is one of: wait until nothing of the sandbox is under way; do what is due now; move the clock to the next due
instant. So the clock never passes over anything, and never moves while an answer to the last instant is still to come.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from guilder.kernel.ids import TenantId
from guilder.platform import logging
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.db.wakes import first, heed
from guilder.platform.jobs import store
from guilder.platform.jobs.batches import Batches, Failed, Outcome
from guilder.platform.jobs.sandboxes import Hands, Pace, Progress, RestCheck, SandboxClocks
from guilder.platform.jobs.store import Asides
from guilder.platform.jobs.timetable import Due, Timetable

ACTOR = "time"
# Whoever gives a sandbox a target wakes the machine: tx.wake(CHANNEL).
CHANNEL = "guilder_clocks"
# Sandboxes' rows are tried again soon, since somebody is waiting, and after this many failures the advance is given up.
RETRY_MAX_S = 30.0
FAILURES_MAX = 3
# The same row, due at the same instant, found this often: it will be found for ever.
REPEATS_MAX = 1_000
AT_ONCE = 4
POLL_S = 0.5
STANDING_EVERY_S = 2.0
# Sandboxes that stand are looked at so many at once, and looking takes no more than this part of the time.
STANDING_AT_ONCE = 500
STANDING_PART = 0.05
WAIT_S = 0.02
# After this long the next sandbox has its turn.
TURN_S = 2.0
PAUSE_S = 1.0

_FINAL = frozenset({Pace.ARRIVED, Pace.HALTED, Pace.STANDING, Pace.BUSY})

_log = logging.get(__name__)


@dataclass(slots=True)
class _Watch:
    """How often each row was found due at the instant where the clock stands."""

    now: datetime
    seen: Counter[Due] = field(default_factory=Counter)


class TimeMachine:
    """Steps sandboxes through time; any number of machines at once, on any number of nodes."""

    def __init__(
        self,
        database: Database,
        timetable: Timetable,
        clocks: SandboxClocks,
        *,
        rest: Sequence[RestCheck],
        clock: Clock,
        repeats_max: int = REPEATS_MAX,
    ) -> None:
        self._database = database
        self._jobs = timetable.jobs
        self._clocks = clocks
        self._rest = tuple(rest)
        self._clock = clock
        self._repeats_max = repeats_max
        self._batches = Batches(database, retry_max_s=RETRY_MAX_S)
        self._watches: dict[TenantId, _Watch] = {}
        self._going: dict[TenantId, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def step(self, tenant_id: TenantId) -> Progress:
        """Do one unit of a sandbox's way. Without a target its jobs are done too, and the clock stays where it is."""
        async with self._database.transaction({tenant_id}, actor=ACTOR) as tx:
            hands = await self._clocks.lock(tx, tenant_id)
            if hands is None:
                return Progress(Pace.BUSY)
            if pending := await self._under_way(tx, tenant_id):
                return Progress(Pace.DRAINING, *hands, pending=pending)
            failed = await store.failures(tx, tenant_id)
            found = await self._due(tx, tenant_id, hands.now, failed)
            ripe = [due for due in found if not failed.get(due.job, {}).get(due.ref)]
            if not ripe and found and hands.target:
                return Progress(Pace.DRAINING, *hands, pending={"job failures": len(found)})
            # Another machine may have done, between the two looks, what was due: then it is under way by now.
            if not ripe and (pending := await self._under_way(tx, tenant_id)):
                return Progress(Pace.DRAINING, *hands, pending=pending)
            if not ripe:
                return await self._move(tx, tenant_id, hands)
        # The lock is given back first: a job may need the very row. The clock stays: what is due holds it.
        return await self._work(tenant_id, hands, ripe, failed)

    async def arrive(self, tenant_id: TenantId, *, between: Callable[[], Awaitable[object]] | None = None) -> Progress:
        """Step until the sandbox arrives, stands or halts. `between` is called whenever it waits for something."""
        while True:
            progress = await self.step(tenant_id)
            if progress.pace in _FINAL - {Pace.BUSY}:
                return progress
            if between is not None and progress.pace is Pace.DRAINING:
                await between()
            await asyncio.sleep(_pause_s(progress))

    async def run(self, stop: asyncio.Event) -> None:
        """Step every sandbox that is on its way, fairly, and do what falls due in those that stand."""
        woken = asyncio.Event()
        others = [
            asyncio.create_task(heed(self._database.listen, CHANNEL, wake=woken, stop=stop), name="listen"),
            asyncio.create_task(self._mind_standing(stop), name="standing sandboxes"),
        ]
        try:
            while not stop.is_set():
                woken.clear()
                for tenant_id in await self._sandboxes(stop, on_their_way=True):
                    if tenant_id not in self._going:
                        self._going[tenant_id] = asyncio.create_task(self._go(tenant_id, stop))
                await first(woken, stop, timeout_s=POLL_S)
        finally:
            stop.set()
            await asyncio.gather(*others, *self._going.values(), return_exceptions=True)

    async def _under_way(self, tx: Tx, tenant_id: TenantId) -> dict[str, int]:
        counts = await store.under_way(tx, tenant_id, [check.function for check in self._rest])
        return {check.name: count for check, count in zip(self._rest, counts, strict=True) if count}

    async def _due(self, tx: Tx, tenant_id: TenantId, now: datetime, failed: Asides) -> list[Due]:
        limits = [job.batch_max + len(failed.get(job.name, {})) for job in self._jobs]
        return await store.due(tx, self._jobs, tenant_id=tenant_id, now=now, limits=limits)

    async def _move(self, tx: Tx, tenant_id: TenantId, hands: Hands) -> Progress:
        """Go to the next due instant, or to the target if that comes first. Nothing is due now, and all is at rest."""
        if hands.target is None:
            return Progress(Pace.STANDING, *hands)
        coming = await store.due(tx, self._jobs, tenant_id=tenant_id, now=None, limits=[1] * len(self._jobs))
        is_there = not coming or coming[0].due_at > hands.target
        # Never back, whatever a find function says.
        now = max(hands.now, hands.target if is_there else coming[0].due_at)
        await self._clocks.move(tx, tenant_id, now=now, arrived=is_there)
        return Progress(Pace.ARRIVED if is_there else Pace.MOVED, now, hands.target)

    async def _work(self, tenant_id: TenantId, hands: Hands, ripe: Sequence[Due], failed: Asides) -> Progress:
        """Do what fell due first: only rows of one instant, so that what they cause comes before what fell due later."""
        instant = ripe[0].due_at
        now_due = [due for due in ripe if due.due_at == instant]
        if stuck := self._stuck(tenant_id, hands.now, now_due):
            return await self._halt(tenant_id, hands, f"{stuck.job} finds {stuck.ref.id} due again and again")
        outcome = Outcome()
        for job in self._jobs:
            refs = [due.ref for due in now_due if due.job == job.name][: job.batch_max]
            before = failed.get(job.name, {})
            fresh = [ref for ref in refs if ref not in before]
            again = [ref for ref in refs if ref in before]
            outcome += await self._batches.do(job, fresh, failed_before=again, now=hands.now)
        if hands.target and (given_up := _given_up(outcome)):
            return await self._halt(tenant_id, hands, f"{given_up.ref.id} failed: {given_up.reason}")
        return Progress(Pace.WORKING, *hands, done=outcome.done)

    def _stuck(self, tenant_id: TenantId, now: datetime, found: Sequence[Due]) -> Due | None:
        watch = self._watches.get(tenant_id)
        if watch is None or watch.now != now:
            watch = self._watches[tenant_id] = _Watch(now)
        watch.seen.update(found)
        return next((due for due in found if watch.seen[due] > self._repeats_max), None)

    async def _halt(self, tenant_id: TenantId, hands: Hands, reason: str) -> Progress:
        _log.error("sandbox_halted", tenant_id=str(tenant_id), reason=reason)
        self._watches.pop(tenant_id, None)
        async with self._database.transaction({tenant_id}, actor=ACTOR) as tx:
            if await self._clocks.lock(tx, tenant_id) is None:
                return Progress(Pace.BUSY)
            await self._clocks.halt(tx, tenant_id, reason=reason)
        return Progress(Pace.HALTED, *hands, reason=reason)

    async def _sandboxes(self, stop: asyncio.Event, *, on_their_way: bool) -> list[TenantId]:
        try:
            async with self._database.transaction(actor=ACTOR) as tx:
                found = await self._clocks.sandboxes(tx)
        except Exception:  # noqa: BLE001  (the machine outlives whatever happens to the database)
            _log.exception("cannot_look_for_sandboxes")
            await first(stop, timeout_s=PAUSE_S)
            return []
        return [tenant_id for tenant_id, has_target in found if has_target is on_their_way]

    async def _go(self, tenant_id: TenantId, stop: asyncio.Event) -> None:
        """Give one sandbox its turn; the next look gives it another if it has not arrived."""
        try:
            async with self._turns:
                ends = self._clock.monotonic() + TURN_S
                while not stop.is_set() and self._clock.monotonic() < ends:
                    progress = await self.step(tenant_id)
                    if progress.pace in _FINAL:
                        return
                    await asyncio.sleep(_pause_s(progress))
        except Exception:  # noqa: BLE001  (as above)
            _log.exception("sandbox_stumbled", tenant_id=str(tenant_id))
            await first(stop, timeout_s=PAUSE_S)
        finally:
            self._going.pop(tenant_id, None)

    async def _mind_standing(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began = self._clock.monotonic()
            found = await self._standing_with_something_due(stop)
            looked_s = self._clock.monotonic() - began
            for tenant_id in found:
                if stop.is_set():
                    return
                await self._go(tenant_id, stop)
            await first(stop, timeout_s=max(STANDING_EVERY_S, looked_s / STANDING_PART))

    async def _standing_with_something_due(self, stop: asyncio.Event) -> list[TenantId]:
        """Ask about many at once: of thousands that stand, few have something due, since their clocks do not go on."""
        standing = await self._sandboxes(stop, on_their_way=False)
        found: list[TenantId] = []
        try:
            for at in range(0, len(standing), STANDING_AT_ONCE):
                some = standing[at : at + STANDING_AT_ONCE]
                async with self._database.transaction(some, actor=ACTOR) as tx:
                    times = await self._clocks.times(tx, some)
                    found += await store.with_something_due(tx, self._jobs, times)
        except Exception:  # noqa: BLE001  (as above)
            _log.exception("cannot_look_for_sandboxes")
        return found


def _given_up(outcome: Outcome) -> Failed | None:
    return next((failed for failed in outcome.failed if failed.attempts >= FAILURES_MAX), None)


def _pause_s(progress: Progress) -> float:
    """Wait a little where a step changed nothing: for what is under way, or for a row that somebody else has locked."""
    idle = progress.pace in {Pace.DRAINING, Pace.BUSY} or (progress.pace is Pace.WORKING and not progress.done)
    return WAIT_S if idle else 0
