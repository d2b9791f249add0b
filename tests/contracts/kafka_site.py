"""A world with brokers, where every consumer is a member of a real consumer group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from guilder.platform.bus import groups
from guilder.platform.bus.kafka import store as rows
from guilder.platform.bus.kafka.transport import KafkaTransport
from guilder.platform.clock import WallClock
from tests.contracts.kafka_ground import a_relay, connected_to
from tests.contracts.log_toys import EMPTY, Counted, World
from tests.rooms.platform.ground import database_of
from tests.support.database import DatabaseUrls, connected

TOPIC = Counted.topic
LIMIT_S = 90


@dataclass
class Site(World):
    """A world with brokers; every consumer is a member of a consumer group."""

    connection: Any = None
    relay: Any = None

    def consumer(self, *reactions: Any, **settings: Any) -> Any:
        self.transport = KafkaTransport(self.database, self.connection, WallClock())
        return super().consumer(*reactions, **settings)

    async def rewind(self) -> int:
        async with self.database.transaction(actor="test") as tx:
            return await rows.rewind(tx, groups.RELAY, "%")

    async def all_heard(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            while await self.heard() != await self.counts():
                await asyncio.sleep(0.05)

    async def all_relayed(self) -> None:
        """Wait until the topic has every row of the log, each partition's in order."""
        async with asyncio.timeout(LIMIT_S):
            while await self.admin.fetchval("select platform.log_pending_relay()"):
                await asyncio.sleep(0.05)


BEHIND = """
create or replace function platform.log_pending_relay() returns bigint language sql as
    $$ select coalesce(sum(h.position - coalesce(c.position, 0)), 1)::bigint from platform.log_heads h
         left join platform.log_cursors c on (c.group_name, c.topic, c.partition) = ('relay', h.topic, h.partition) $$
"""


@asynccontextmanager
async def a_site(urls: DatabaseUrls, servers: str) -> AsyncIterator[Site]:
    """Begin with an empty log, and with topics of its own."""
    connection = connected_to(servers)
    async with connected(urls.admin) as admin, database_of(urls) as database:
        await admin.execute(EMPTY + "; truncate platform.log_relays; " + BEHIND)
        relay = a_relay(database, connection)
        ears = KafkaTransport(database, connection, WallClock())
        yield Site(database, admin, ears, connection=connection, relay=relay)
        await relay.close()


@asynccontextmanager
async def running(*roles: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(role.run(stop)) for role in roles]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def in_the_log(site: Site) -> dict[int, list[int]]:
    found = await site.admin.fetch("select partition, position from platform.log_heads where topic = $1", TOPIC)
    return {row["partition"]: list(range(1, row["position"] + 1)) for row in found}
