"""One batch, one transaction: the cursor moves with the effects of the handlers, or neither happens."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

import asyncpg

from guilder.kernel.ids import TenantId
from guilder.platform.bus import store, together
from guilder.platform.bus.handling import Handling
from guilder.platform.bus.retry import RetryPolicy, failure_of
from guilder.platform.bus.store import Cursor, ParkedRef, Share
from guilder.platform.bus.together import Claimed, Found, Run
from guilder.platform.bus.transport import Transport
from guilder.platform.db.database import CLASHES, GONE, Database, DatabaseGone
from guilder.platform.db.tx import Row, Tx

R = TypeVar("R", bound=Run | ParkedRef)


class WrongEpoch(Exception):
    """A cursor belongs to another life of this database: it was restored, and nobody has said what holds now."""


class LostCursor(Exception):
    """Someone else has moved on meanwhile: this batch is theirs, and nothing of it has happened here."""


class BatchFailed(Exception, Generic[R]):
    """A batch was rolled back; its cause is the exception that did it."""

    def __init__(self, refs: Sequence[R]) -> None:
        self.refs = refs
        self.rows = sum(ref.rows if isinstance(ref, Run) else 1 for ref in refs)
        super().__init__(f"{self.rows} messages")

    @property
    def reason(self) -> BaseException:
        return self.__cause__ or self


class Clashed(BatchFailed[R]):
    """A batch was rolled back because it clashed with another transaction: it is worth doing again just as it is."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a partition's part of a batch: how many messages the cursors passed, and how many of them only queue
    behind others."""

    passed: int = 0
    queued: int = 0
    has_due: bool = False
    is_claimed: bool = False  # there were cursors that had something before them, and nobody else held them


@dataclass(frozen=True, slots=True)
class Batches:
    """The transactions that a consumer is made of."""

    database: Database
    transport: Transport
    handling: Handling
    retry: RetryPolicy

    async def take(
        self, group: str, partitions: Sequence[int], *, rows_max: int, now: datetime, due_before: datetime
    ) -> dict[int, Taken]:
        """Handle what follows the group's cursors in these partitions; say what became of each.

        :raises BatchFailed: and nothing has happened, in none of them
        """
        runs: list[Run] = []
        waiting: list[Row] = []
        found: Found = {}
        async with self._attempt(group, runs) as tx:
            claimed = _alive(group, await together.claim(tx, group, partitions, now=due_before))
            found = await self.transport.find(tx, group, claimed, rows_max=rows_max) if claimed else {}
            runs += [run for part in found.values() for run in part]
            if runs:
                await tx.narrow(_tenants(runs))
                rows = await self.transport.read(tx, claimed, found)
                assert len(rows) == sum(run.rows for run in runs), (group, partitions, len(rows), runs)
                busy = await store.busy_keys(tx, group, sorted(found), rows)
                if busy:
                    waiting = [row for row in rows if (row["topic"], row["key"]) in busy]
                    rows = [row for row in rows if (row["topic"], row["key"]) not in busy]
                    await store.park(tx, group, _days(runs), [row["id"] for row in waiting], due_at=now, now=now)
                await self.handling.tell(tx, group, rows)
                await self._pass(tx, group, claimed, found)
        queued = Counter(row["partition"] for row in waiting)
        return {
            partition: Taken(
                passed=sum(run.rows for run in found.get(partition, ())),
                queued=queued[partition],
                has_due=any(cursor.has_due for cursor in claimed.get(partition, ())),
                is_claimed=partition in claimed,
            )
            for partition in partitions
        }

    async def set_aside(self, share: Share, failed: BatchFailed[Run], *, now: datetime) -> bool:
        """Park the one message that failed alone, and let the cursor pass it. Say whether it is dead at once."""
        (run,) = failed.refs
        dead = self.retry.is_over(1)
        async with self._transaction(share.group) as tx:
            cursors = [each for each in await self.claim(tx, share, now=now) if each.topic == run.topic]
            claimed = {share.partition: cursors} if cursors else {}
            found = await self.transport.find(tx, share.group, claimed, rows_max=1) if cursors else {}
            if found != {share.partition: [run]}:
                raise LostCursor(share)
            await tx.narrow(run.tenants)
            (row,) = await self.transport.read(tx, claimed, found)
            await store.park(tx, share.group, run.days, [row["id"]], due_at=now, now=now)
            await self._write_failure(tx, share, row["id"], failed, tries=1, now=now)
            await self._pass(tx, share.group, claimed, found)
        return dead

    async def retry_due(self, share: Share, *, rows_max: int, now: datetime) -> int:
        """Try parked messages whose time has come, with what waits behind them; return how many were handled.

        :raises BatchFailed: and nothing has happened
        """
        refs: list[ParkedRef] = []
        async with self._attempt(share.group, refs) as tx:
            # The cursors are held here too: what is parked and what is new of a key is never in two hands.
            topics = [cursor.topic for cursor in await self.claim(tx, share, now=now) if cursor.has_due]
            if topics:
                refs += await store.due(tx, share.group, share.partition, topics, now=now, rows_max=rows_max)
            if not refs:
                return 0
            ids = [ref.id for ref in refs]
            await tx.narrow({ref.tenant_id for ref in refs})
            await self.handling.tell(tx, share.group, await store.read_parked(tx, share.group, ids))
            await tx.narrow({ref.tenant_id for ref in refs})
            if await store.unpark(tx, share.group, ids) != len(ids):
                raise LostCursor(share)
        return len(refs)

    async def put_back(
        self, share: Share, failed: BatchFailed[ParkedRef], *, now: datetime, due_before: datetime
    ) -> bool:
        """Write down that the one parked message failed again; say whether it is dead now."""
        (ref,) = failed.refs
        async with self._transaction(share.group) as tx:
            topics = [each.topic for each in await self.claim(tx, share, now=due_before) if each.topic == ref.topic]
            due = await store.due(tx, share.group, share.partition, topics, now=due_before, rows_max=1)
            if due != [ref]:
                raise LostCursor(share)
            await tx.narrow({ref.tenant_id})
            (row,) = await store.read_parked(tx, share.group, [ref.id])
            tries = row["tries"] + 1
            await self._write_failure(tx, share, ref.id, failed, tries=tries, now=now)
        return self.retry.is_over(tries)

    async def claim(self, tx: Tx, share: Share, *, now: datetime) -> list[Cursor]:
        """Lock the cursors of a share that have something to do.

        :raises WrongEpoch: one is of another life of the database
        """
        claimed = _alive(share.group, await together.claim(tx, share.group, [share.partition], now=now))
        return list(claimed.get(share.partition, ()))

    async def _pass(self, tx: Tx, group: str, claimed: Claimed, found: Found) -> None:
        moves = []
        for partition, runs in found.items():
            of_topic = {run.topic: run for run in runs}
            for cursor in claimed[partition]:
                if (run := of_topic.get(cursor.topic)) is None:
                    continue
                # Only what retention dropped may be missing, and that lies before everything else.
                assert cursor.position in (0, run.first - 1), (group, partition, cursor, run)
                moves.append((partition, cursor, run.last))
        await together.move(tx, group, moves, epoch=moves[0][1].epoch)

    async def _write_failure(
        self, tx: Tx, share: Share, id_: int, failed: BatchFailed[R], *, tries: int, now: datetime
    ) -> None:
        (row,) = await store.read_parked(tx, share.group, [id_])
        declared = self.handling.reactions.after_death(share.group, row["name"])
        failure = failure_of(failed.reason)
        await store.fail(
            tx,
            share.group,
            id_,
            tries=tries,
            due_at=self.retry.next_try(now, tries=tries),
            died_at=now if self.retry.is_over(tries) else None,
            blocks=not self.retry.is_over(tries) or declared.holds_key,
            reason=failure.reason,
            traceback=failure.traceback,
        )

    @asynccontextmanager
    async def _attempt(self, group: str, refs: Sequence[Run] | Sequence[ParkedRef]) -> AsyncIterator[Tx]:
        """Open the transaction of a batch; what it fails of, at the commit too, is its messages' fault, or nobody's."""
        try:
            async with self._transaction(group) as tx:
                yield tx
        except (*GONE, DatabaseGone, WrongEpoch, LostCursor):
            raise
        except CLASHES as error:
            if not refs:
                raise
            raise Clashed(refs) from error
        except Exception as error:
            if not refs:
                raise
            raise BatchFailed(refs) from error

    @asynccontextmanager
    async def _transaction(self, group: str) -> AsyncIterator[Tx]:
        try:
            async with self.database.transaction(actor=f"group:{group}") as tx:
                yield tx
        except asyncpg.PostgresError as error:
            if error.sqlstate == store.MOVED_SQLSTATE:
                raise LostCursor(group) from error
            raise


def _alive(group: str, claimed: Claimed) -> Claimed:
    """Return the cursors as they are.

    :raises WrongEpoch: one is of another life of the database
    """
    for cursors in claimed.values():
        for cursor in cursors:
            if cursor.epoch != cursor.log_epoch:
                raise WrongEpoch(
                    f"group {group} stands in epoch {cursor.epoch} of topic {cursor.topic}, but the log is in epoch "
                    f"{cursor.log_epoch}: the database was restored; say by command where its groups go on"
                )
    return claimed


def _tenants(runs: Sequence[Run]) -> set[TenantId]:
    return {tenant_id for run in runs for tenant_id in run.tenants}


def _days(runs: Sequence[Run]) -> set[date]:
    return {day for run in runs for day in run.days}
