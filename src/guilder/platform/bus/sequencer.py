"""The sequencer: gives rows their positions after their commits, so that a cursor is one number and passes nothing by.

A number drawn before the commit (an id, a transaction's number) cannot be a cursor: a lower one may still become visible.
A position is given to what is visible, under a lock of its partition, and is dense.
"""

import asyncio
from collections.abc import Sequence

from guilder.platform.bus import store, together
from guilder.platform.bus.rounds import Rounds
from guilder.platform.bus.transport import PostgresTransport, Transport
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.db.wakes import heed

ROWS_MAX = 2_000
# Of each partition at least so many, however many partitions go together: a call costs as much as some hundred rows.
ROWS_MIN = 500
ROUNDS = Rounds("sequencer", poll_s=0.5, backoff_s=1, backoff_max_s=1)
ACTOR = "sequencer"


class Sequencer:
    """Any number may run, on any nodes: each partition is one's at a time."""

    def __init__(self, database: Database, *, transport: Transport | None = None, rows_max: int = ROWS_MAX) -> None:
        self._database = database
        self._transport = transport or PostgresTransport(database)
        self._rows_max = rows_max

    async def step(self, partition: int) -> int:
        """Give positions to up to `rows_max` rows of a partition; return how many. 0 if another is at it."""
        return await self._step_together([partition])

    async def _step_together(self, partitions: Sequence[int]) -> int:
        """Give positions in several partitions by one transaction: where there is little in each, it is what it costs."""

        async def work(tx: Tx) -> int:
            return await together.sequence(tx, partitions, rows_max=self._rows_each(partitions))

        return await self._database.run(work, actor=ACTOR)

    async def drain(self) -> int:
        """Give positions to what is visible by now, but where another sequencer is at it."""
        given, may_be_more = 0, True
        while may_be_more and (partitions := await self._waiting()) and (more := await self._step_together(partitions)):
            given += more
            # Where none was full, nothing is left of what was there; what has come since has woken somebody.
            may_be_more = more >= self._rows_each(partitions)
            await self._transport.carry()
        return given

    async def run(self, stop: asyncio.Event) -> None:
        """Give positions as rows are announced, until `stop` is set."""

        async def listen(wake: asyncio.Event, stop: asyncio.Event) -> None:
            await heed(self._database.listen, store.ANNOUNCED, wake=wake, stop=stop)

        async def work() -> int:
            await self.drain()
            return 0

        await ROUNDS.run(work, listen, stop)

    def _rows_each(self, partitions: Sequence[int]) -> int:
        return max(min(ROWS_MIN, self._rows_max), self._rows_max // len(partitions))

    async def _waiting(self) -> list[int]:
        async with self._database.transaction(actor=ACTOR) as tx:
            return await store.unsequenced(tx)
