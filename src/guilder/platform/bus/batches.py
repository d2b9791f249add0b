"""One batch, one transaction: the cursor moves with the effects of the handlers, or neither happens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

import asyncpg

from guilder.platform.bus import store
from guilder.platform.bus.handling import Handling
from guilder.platform.bus.retry import RetryPolicy, failure_of
from guilder.platform.bus.store import Cursor, ParkedRef, Ref, Share
from guilder.platform.bus.transport import Transport
from guilder.platform.db.database import CLASHES, GONE, Database, DatabaseGone
from guilder.platform.db.tx import Row, Tx

R = TypeVar("R", bound=Ref | ParkedRef)


class WrongEpoch(Exception):
    """A cursor belongs to another life of this database: it was restored, and nobody has said what holds now."""


class LostCursor(Exception):
    """Someone else has moved on meanwhile: this batch is theirs, and nothing of it has happened here."""


class BatchFailed(Exception, Generic[R]):
    """A batch was rolled back; its cause is the exception that did it."""

    def __init__(self, refs: Sequence[R]) -> None:
        super().__init__(f"{len(refs)} messages")
        self.refs = refs

    @property
    def reason(self) -> BaseException:
        return self.__cause__ or self


class Clashed(BatchFailed[R]):
    """A batch was rolled back because it clashed with another transaction: it is worth doing again just as it is."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: how many messages the cursors passed, and how many of them only queue behind others."""

    passed: int = 0
    queued: int = 0
    has_due: bool = False


@dataclass(frozen=True, slots=True)
class Batches:
    """The transactions that a consumer is made of."""

    database: Database
    transport: Transport
    handling: Handling
    retry: RetryPolicy

    async def take(self, share: Share, *, rows_max: int, now: datetime, due_before: datetime) -> Taken:
        """Handle what follows the group's cursors in one partition.

        :raises BatchFailed: and nothing has happened
        """
        refs: list[Ref] = []
        async with self._attempt(share, refs) as tx:
            cursors = await self.claim(tx, share, now=due_before)
            taken = Taken(has_due=any(cursor.has_due for cursor in cursors))
            refs += await self.transport.find(tx, share, cursors, rows_max=rows_max) if cursors else []
            if not refs:
                return taken
            await tx.narrow({ref.tenant_id for ref in refs})
            rows = await self.transport.read(tx, share, refs)
            assert len(rows) == len(refs), (share, len(rows), len(refs))
            busy = await store.busy_keys(tx, share.group, share.partition, rows)
            waiting = [row for row in rows if (row["topic"], row["key"]) in busy]
            if waiting:
                await store.park(tx, share.group, _lying(refs, waiting), due_at=now, now=now)
            await self.handling.tell(tx, share.group, [row for row in rows if (row["topic"], row["key"]) not in busy])
            await self._pass(tx, share, cursors, refs)
        return Taken(len(refs), len(waiting), taken.has_due)

    async def set_aside(self, share: Share, failed: BatchFailed[Ref], *, now: datetime) -> bool:
        """Park the one message that failed alone, and let the cursor pass it. Say whether it is dead at once."""
        (ref,) = failed.refs
        dead = self.retry.is_over(1)
        async with self._transaction(share) as tx:
            cursors = [each for each in await self.claim(tx, share, now=now) if each.topic == ref.topic]
            found = await self.transport.find(tx, share, cursors, rows_max=1) if cursors else []
            if found != [ref]:
                raise LostCursor(share)
            await tx.narrow({ref.tenant_id})
            await store.park(tx, share.group, [(ref.day, ref.id)], due_at=now, now=now)
            await self._write_failure(tx, share, ref.id, failed, tries=1, now=now)
            await self._pass(tx, share, cursors, found)
        return dead

    async def retry_due(self, share: Share, *, rows_max: int, now: datetime) -> int:
        """Try parked messages whose time has come, with what waits behind them; return how many were handled.

        :raises BatchFailed: and nothing has happened
        """
        refs: list[ParkedRef] = []
        async with self._attempt(share, refs) as tx:
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
        async with self._transaction(share) as tx:
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
        cursors = await store.claim(tx, share.group, share.partition, now=now)
        for cursor in cursors:
            if cursor.epoch != cursor.log_epoch:
                raise WrongEpoch(
                    f"group {share.group} stands in epoch {cursor.epoch} of topic {cursor.topic}, but the log is in epoch "
                    f"{cursor.log_epoch}: the database was restored; say by command where its groups go on"
                )
        return cursors

    async def _pass(self, tx: Tx, share: Share, cursors: Sequence[Cursor], refs: Sequence[Ref]) -> None:
        reached = {ref.topic: ref.position for ref in refs}
        moves = [(cursor, reached[cursor.topic]) for cursor in cursors if cursor.topic in reached]
        for cursor, position in moves:
            count = sum(1 for ref in refs if ref.topic == cursor.topic)
            # Only what retention dropped may be missing, and that lies before everything else.
            assert cursor.position == 0 or position == cursor.position + count, (share, cursor, position, count)
        await store.move(tx, share.group, share.partition, moves, epoch=cursors[0].epoch)

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
    async def _attempt(self, share: Share, refs: Sequence[Ref] | Sequence[ParkedRef]) -> AsyncIterator[Tx]:
        """Open the transaction of a batch; what it fails of, at the commit too, is its messages' fault, or nobody's."""
        try:
            async with self._transaction(share) as tx:
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
    async def _transaction(self, share: Share) -> AsyncIterator[Tx]:
        try:
            async with self.database.transaction(actor=f"group:{share.group}") as tx:
                yield tx
        except asyncpg.PostgresError as error:
            if error.sqlstate == store.MOVED_SQLSTATE:
                raise LostCursor(share) from error
            raise


def _lying(refs: Sequence[Ref], rows: Sequence[Row]) -> list[tuple[date, int]]:
    wanted = {row["id"] for row in rows}
    return [(ref.day, ref.id) for ref in refs if ref.id in wanted]
