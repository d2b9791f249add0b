"""Workers as processes of their own, to be killed: each sequences and hears until it dies.

This is their nursery: it has imported everything once, and forks a worker for each line that it reads, telling its pid;
starting an interpreter for each would leave most of them dead before they had done anything.
"""

import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.transport import KafkaTransport
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.bus.transport import PostgresTransport, Transport
from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database
from guilder.platform.logging import configure
from tests.contracts.log_toys import World
from tests.support.database import DatabaseUrls


def transport(database: Database, brokers: list[str]) -> Transport:
    """Kafka's, where brokers and a prefix are named."""
    if not brokers:
        return PostgresTransport(database)
    servers, prefix = brokers
    return KafkaTransport(database, Connection(servers, prefix=prefix), WallClock())


async def work(url: str, *brokers: str) -> None:
    database = await Database.connect(url, size_max=4)
    world = World(database, None, transport(database, list(brokers)))
    never = asyncio.Event()
    chance = random.Random()

    def dawdle(_: object) -> None:
        time.sleep(chance.choice([0, 0, 0.01]))  # between its effect and its commit, where a kill hurts most

    world.fault = dawdle
    await asyncio.gather(Sequencer(database).run(never), world.consumer(batch_max=10).run(never))


def nurse(*told: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            configure(level="CRITICAL")
            asyncio.run(work(*told))
        print(pid, flush=True)


@asynccontextmanager
async def nursery(urls: DatabaseUrls, *brokers: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Give birth to workers; when the block ends, none is left, whatever happened."""
    born: list[int] = []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contracts.log_process", urls.app, *brokers, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def bear() -> int:
        process.stdin.write(b"one more\n")
        born.append(int(await process.stdout.readline()))
        return born[-1]

    try:
        yield bear
    finally:
        process.stdin.close()
        await process.wait()
        for pid in born:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    nurse(*sys.argv[1:])
