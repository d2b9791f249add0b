"""A relay as a process of its own, to be killed: `python -m tests.contracts.kafka_process DATABASE SERVERS PREFIX`."""

import asyncio
import sys

from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.db.database import Database
from tests.contracts.kafka_ground import a_relay

# A killed relay's partitions are another's after this long.
LEASE_S = 1.0
ROWS_MAX = 5


async def relay(url: str, servers: str, prefix: str) -> None:
    database = await Database.connect(url, size_max=4)
    # Small batches, so that a kill finds it between sending and passing.
    relay = a_relay(database, Connection(servers, prefix=prefix), rows_max=ROWS_MAX, lease_s=LEASE_S)
    print("relaying", flush=True)
    await relay.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(relay(*sys.argv[1:]))
