"""Runs: how far what is due has been done, how fast it goes and what is left; of each tenant, and over all.

Everything is told from tables: what was done was noted in the transactions that did it, and what was due is counted now
and then by whoever gathers figures. So it is true after a kill -9, and with any number of schedulers.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.clock import Clock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.jobs import store
from guilder.platform.jobs.timetable import Job

ACTOR = "watcher"
# A job that did nothing of a tenant's for so long has begun another run when it does something again.
PAUSE = timedelta(minutes=5)
# How fast it goes is what was done of late; what was done before that may have been another load of the machine.
LATELY = timedelta(minutes=1)
# Nothing that was done before is looked at: a run that takes longer is told of from here on.
BACK = timedelta(days=1)
# Who counted what is due and was not heard of since says nothing any more.
LOOK_STALE = timedelta(minutes=5)
RUNS_MAX = 1_000
# Counting is given up there; the figure says then that it is at least so much.
DUE_MAX = 2_000_000
# A look rests so many times as long as it took: what is due is counted for a twentieth of the time at the most.
LOOK_REST = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a job does of a tenant's: since when, how much, how fast, what is left. `left` None: nobody has counted.

    `left` is what was due at the last count, without what was done since; what fell due since is not in it. With
    `is_least` there is that much or more.
    """

    tenant_id: TenantId | None
    job: str
    began_at: datetime | None
    last_at: datetime | None
    done: int
    rate_per_s: float
    left: int | None
    is_least: bool
    failing: int

    @property
    def seconds_left(self) -> int | None:
        """Say how long what is left takes as fast as it goes now; None where nobody knows, or nothing moves."""
        if not self.left:
            return None if self.left is None else 0
        return math.ceil(self.left / self.rate_per_s) if self.rate_per_s else None


async def runs(tx: Tx) -> list[Run]:
    """List the runs of the last day of every tenant that the transaction sees; the busiest first, at most RUNS_MAX."""
    rows = await store.runs(tx, pause=PAUSE, lately=LATELY, back=BACK, stale=LOOK_STALE, limit=RUNS_MAX)
    return [
        Run(
            tenant_id=TenantId(row["tenant_id"]),
            job=row["job"],
            began_at=row["began_at"],
            last_at=row["last_at"],
            done=row["done"],
            rate_per_s=_rate(row["lately"], row["seen_at"] - row["began_at"]) if row["began_at"] else 0.0,
            left=row["left"],
            is_least=row["is_least"],
            failing=row["failing"],
        )
        for row in rows
    ]


async def forget(tx: Tx, *, before: datetime, limit: int) -> int:
    """Forget up to `limit` of what was done before; the last day stays. Return how many."""
    return await store.forget_done(tx, before=before, limit=limit)


def over_all(found: Sequence[Run]) -> list[Run]:
    """Add the tenants' runs up, job by job."""
    by_job = sorted(found, key=lambda run: run.job)
    return [_sum(job, list(of_job)) for job, of_job in groupby(by_job, key=lambda run: run.job)]


def dealt(done: int, refs: Sequence[Ref]) -> dict[TenantId, int]:
    """Say how much of what a batch did was whose: by how many of its rows were theirs, which adds up to `done`.

    Exact where everything was done, or everything was one tenant's; else as near as whoever did it says.
    """
    rows, so_far, shares = Counter(ref.tenant_id for ref in refs), 0, {}
    for tenant, count in sorted(rows.items()):
        before = done * so_far // len(refs)
        so_far += count
        shares[tenant] = done * so_far // len(refs) - before
    return {tenant: share for tenant, share in shares.items() if share}


class Looks:
    """Counts what is due of each tenant, of the jobs that say so, and keeps it for whoever tells of runs."""

    def __init__(self, database: Database, jobs: Sequence[Job], clock: Clock) -> None:
        self._database = database
        self._jobs = [job for job in jobs if job.is_shared]
        self._clock = clock
        self._rests_until: Mapping[str, float] = {}

    async def look(self) -> None:
        """Count, job by job, where the last count was not too dear to be made again so soon."""
        for job in self._jobs:
            began = self._clock.monotonic()
            if self._rests_until.get(job.name, began) <= began:
                await self._look_at(job)
                ended = self._clock.monotonic()
                self._rests_until = {**self._rests_until, job.name: ended + LOOK_REST * (ended - began)}

    async def _look_at(self, job: Job) -> None:
        async with self._database.transaction(actor=ACTOR) as tx:
            looked_at, due = await store.count_due(tx, job, now=self._clock.now(), limit=DUE_MAX)
        if due:
            is_least = sum(due.values()) >= DUE_MAX
            async with self._database.transaction(due, actor=ACTOR) as tx:
                await store.note_look(tx, job.name, due, is_least=is_least, looked_at=looked_at)


def _rate(lately: int, since: timedelta) -> float:
    return lately / max(min(since, LATELY).total_seconds(), 1.0)


def _sum(job: str, found: Sequence[Run]) -> Run:
    counted = [run.left for run in found if run.left is not None]
    return Run(
        tenant_id=None,
        job=job,
        began_at=min((run.began_at for run in found if run.began_at), default=None),
        last_at=max((run.last_at for run in found if run.last_at), default=None),
        done=sum(run.done for run in found),
        rate_per_s=sum(run.rate_per_s for run in found),
        left=sum(counted) if counted else None,
        is_least=any(run.is_least for run in found),
        failing=sum(run.failing for run in found),
    )
