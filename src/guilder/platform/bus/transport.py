"""The port by which rows that have positions reach consumers. A transport is trusted with nothing but speed.

It may bring a row twice, late, or after another consumer took over: the cursor in PostgreSQL decides what is new. What it
must never do is leave out a row between two that it brings; positions are dense, so that this can be seen.

`news` says where there is something to do, `find` and `read` are where rows come in, `carry` and `listen` how one side
wakes the other. Kafka's (bus/kafka) fills the same places by what its topics brought.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from guilder.platform.bus import store, together
from guilder.platform.bus.remembered import Rows
from guilder.platform.bus.store import Share
from guilder.platform.bus.together import Claimed, Found, Run
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.wakes import heed


class Transport(Protocol):
    def join(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Hear for these groups from now on, each with its topics as LIKE patterns."""
        ...

    async def carry(self) -> None:
        """Bring rows that were given positions to where consumers read."""
        ...

    async def news(self, tx: Tx, groups: Sequence[str], *, now: datetime, whole: bool) -> list[Share]:
        """Say where these groups have something to do: everywhere, if asked for the `whole`, else as far as is known."""
        ...

    async def find(self, tx: Tx, group: str, claimed: Claimed, *, rows_max: int) -> dict[int, list[Run]]:
        """Find rows after the cursors of some partitions: of each topic the very next ones, without a gap."""
        ...

    async def read(self, tx: Tx, claimed: Claimed, found: Found) -> list[Row]:
        """Read those rows, a partition's in their order, and none else. The transaction sees their tenants."""
        ...

    async def listen(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Set `wake` whenever there may be something new, until `stop`. A wake-up may be lost."""
        ...


class PostgresTransport:
    """The log itself: what has a position can be read, and NOTIFY says so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = Rows()

    def join(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Every group finds what it hears by asking."""

    async def carry(self) -> None:
        self._database.waker.wake([store.SEQUENCED])

    async def news(self, tx: Tx, groups: Sequence[str], *, now: datetime, whole: bool) -> list[Share]:
        found = await store.news(tx, groups, now=now)
        if not found:
            self._rows.forget()
        return found

    async def find(self, tx: Tx, group: str, claimed: Claimed, *, rows_max: int) -> dict[int, list[Run]]:
        return await together.find(tx, claimed, rows_max=rows_max)

    async def read(self, tx: Tx, claimed: Claimed, found: Found) -> list[Row]:
        return await self._rows.read(tx, claimed, found)

    async def listen(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        await heed(self._database.listen, store.SEQUENCED, wake=wake, stop=stop)
