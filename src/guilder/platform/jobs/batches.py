"""A batch of due rows, done in one transaction; if it fails, its halves, down to the rows that fail alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from guilder.kernel.ids import Ref
from guilder.platform import logging, tracing
from guilder.platform.db.database import GONE, Database, DatabaseGone
from guilder.platform.db.tx import Tx
from guilder.platform.jobs import store
from guilder.platform.jobs.runs import dealt
from guilder.platform.jobs.timetable import Job
from guilder.platform.logging import mask_text

RETRY_FIRST_S = 5.0
REASON_MAX = 500

_log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that failed alone, the how-manieth time in a row, and why."""

    ref: Ref
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    done: int = 0
    failed: tuple[Failed, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.done + other.done, self.failed + other.failed)


class Batches:
    """Does rows of a job. A failure is tried again after `RETRY_FIRST_S`, doubling up to `retry_max_s`."""

    def __init__(self, database: Database, *, retry_max_s: float) -> None:
        self._database = database
        self._retry_max_s = retry_max_s

    async def do(self, job: Job, refs: Sequence[Ref], *, failed_before: Sequence[Ref], now: datetime) -> Outcome:
        """Do `refs` together, and each of those that failed before alone.

        :raises DatabaseGone: or what asyncpg says of a lost connection: the database is at fault, and no row
        """
        outcome = await self._halving(job, refs, now)
        for ref in failed_before:
            outcome += await self._halving(job, [ref], now, clear=True)
        return outcome

    async def _halving(self, job: Job, refs: Sequence[Ref], now: datetime, *, clear: bool = False) -> Outcome:
        if not refs:
            return Outcome()

        async def work(tx: Tx) -> int:
            done = await job.run(tx, refs, now=now)
            if done:
                await store.note_done(tx, job.name, dealt(done, refs))
            if clear:
                await store.clear(tx, job.name, refs)
            return done

        try:
            tenants = {ref.tenant_id for ref in refs}
            with tracing.span(f"job {job.name}", rows=len(refs)):
                return Outcome(await self._database.run(work, tenants, actor=f"job:{job.name}"))
        except (*GONE, DatabaseGone):
            raise
        except Exception as error:  # noqa: BLE001  (whatever a job raises is one row's failure)
            if len(refs) == 1:
                return Outcome(failed=(await self._push_aside(job, refs[0], error),))
        middle = len(refs) // 2
        return await self._halving(job, refs[:middle], now) + await self._halving(job, refs[middle:], now)

    async def _push_aside(self, job: Job, ref: Ref, error: Exception) -> Failed:
        # Only the first line: PostgreSQL quotes the row in those after it.
        first_line = str(error).partition("\n")[0]
        reason = mask_text(f"{type(error).__name__}: {first_line}")[:REASON_MAX]
        _log.error("job_failed", job=job.name, tenant_id=str(ref.tenant_id), row_id=str(ref.id), exc_info=error)

        async def work(tx: Tx) -> int:
            return await store.push_aside(
                tx, job.name, ref, reason=reason, first_s=RETRY_FIRST_S, max_s=self._retry_max_s
            )

        attempts = await self._database.run(work, {ref.tenant_id}, actor=f"job:{job.name}")
        return Failed(ref, attempts, reason)
