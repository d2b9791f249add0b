"""The primary dies while it is written and heard, and its synchronous standby takes its place: nothing lost, nothing twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.bus.transport import PostgresTransport
from guilder.platform.db.database import GONE, Database, DatabaseGone
from tests.contracts.log_toys import SCHEMA, World
from tests.rooms.platform.ground import some_ids
from tests.support.database import DatabaseUrls, connected
from tests.support.processes import until
from tests.support.replica import Replica, a_primary, a_replica, several

WRITERS = 6


@pytest.fixture(scope="module")
async def primary(database_urls: DatabaseUrls) -> AsyncIterator[Replica]:
    async with a_primary(database_urls) as primary:
        async with connected(primary.urls.admin) as admin:
            await admin.execute(SCHEMA)
        yield primary


@pytest.mark.shows("fault D6")
async def test_a_server_that_takes_no_writes_any_more_is_left_for_one_that_does(primary: Replica) -> None:
    """A switch by hand: the old primary lives on, and refuses what is written."""
    database = await Database.connect(primary.urls.app, size_max=2)
    try:
        async with connected(primary.urls.admin) as admin:
            await admin.execute("alter system set default_transaction_read_only = on")
            await admin.execute("select pg_reload_conf()")

            async def is_refused() -> bool:
                try:
                    await World(database, None, PostgresTransport(database)).count(some_ids(1)[0])
                except GONE:
                    return True
                return False

            await until(is_refused, what="a refusal")
            await admin.execute("set default_transaction_read_only = off")
            await admin.execute("alter system reset default_transaction_read_only")
            await admin.execute("select pg_reload_conf()")

        async def is_taken() -> bool:
            return not await is_refused()

        await until(is_taken, what="a write")
    finally:
        await database.close()


@pytest.mark.shows("fault D1")
async def test_what_was_acknowledged_is_there_and_heard_once_after_a_promotion(primary: Replica) -> None:
    async with a_replica(primary.urls, synchronous=True) as standby:
        database = await Database.connect(several(primary.urls.app, standby.urls.app), size_max=WRITERS + 6)
        world = World(database, None, PostgresTransport(database))
        writing = Writing(world)
        stop = asyncio.Event()
        consumer = world.consumer(batch_max=10)
        roles = [asyncio.create_task(run(stop)) for run in (Sequencer(database).run, consumer.run)]
        writers = [asyncio.create_task(writing.write(stop)) for _ in range(WRITERS)]
        try:
            await until(writing.has(60), what="writing before")
            primary.kill()
            await standby.promote()
            before = writing.acknowledged.total()
            await until(writing.has(before + 60), timeout_s=60, what="writing after")
        finally:
            stop.set()
            await asyncio.gather(*writers, *roles)
        await consumer.drain()
        async with connected(standby.urls.admin) as admin:
            world.admin = admin
            counts = await world.counts()
            assert await world.heard() == counts, "each thing's numbers, once and in order"
        await database.close()
        for thing in writing.things:
            numbers = counts.get(thing, [])
            acknowledged, unknown = writing.acknowledged[thing], writing.unknown[thing]
            assert acknowledged <= len(numbers) <= acknowledged + unknown, (acknowledged, len(numbers), unknown)


class Writing:
    """Writers, and what they were told of what they wrote."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.things = some_ids(8)
        self.acknowledged: Counter[UUID] = Counter()
        self.unknown: Counter[UUID] = Counter()

    def has(self, times: int):  # type: ignore[no-untyped-def]
        async def asked() -> bool:
            return self.acknowledged.total() >= times

        return asked

    async def write(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            thing = random.choice(self.things)
            try:
                await self._world.count(thing)
            except (*GONE, DatabaseGone, OSError):
                self.unknown[thing] += 1
                await asyncio.sleep(0.05)
            else:
                self.acknowledged[thing] += 1
                await asyncio.sleep(0.01)
