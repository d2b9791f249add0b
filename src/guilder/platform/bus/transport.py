"""The port by which rows that have positions reach consumers. A transport is trusted with nothing but speed.

It may bring a row twice, late, or after another consumer took over: the cursor in PostgreSQL decides what is new. What it
must never do is leave out a row between two that it brings; positions are dense, so that this can be seen.

Two places are another transport's to fill. `carry` is where rows leave: Kafka's relay sends each partition's rows, in
order, with position and epoch in their headers. `find` and `read` are where rows come in: Kafka's consumer hands over
the records it was sent, by the cursors it is shown.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from guilder.platform.bus import store
from guilder.platform.bus.store import Cursor, Ref
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.wakes import heed


class Transport(Protocol):
    async def carry(self) -> None:
        """Bring rows that were given positions to where consumers read."""
        ...

    async def find(self, tx: Tx, partition: int, cursors: Sequence[Cursor], *, rows_max: int) -> list[Ref]:
        """Find rows after the cursors: of each topic the very next ones, in order, without a gap."""
        ...

    async def read(self, tx: Tx, refs: Sequence[Ref]) -> list[Row]:
        """Read those rows, in their order. The transaction sees their tenants."""
        ...

    async def listen(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Set `wake` whenever there may be something new, until `stop`. A wake-up may be lost."""
        ...


class PostgresTransport:
    """The log itself: what has a position can be read, and NOTIFY says so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def carry(self) -> None:
        self._database.waker.wake([store.SEQUENCED])

    async def find(self, tx: Tx, partition: int, cursors: Sequence[Cursor], *, rows_max: int) -> list[Ref]:
        return await store.find(tx, partition, cursors, rows_max=rows_max)

    async def read(self, tx: Tx, refs: Sequence[Ref]) -> list[Row]:
        return await store.read(tx, refs)

    async def listen(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        await heed(self._database.listen, store.SEQUENCED, wake=wake, stop=stop)
