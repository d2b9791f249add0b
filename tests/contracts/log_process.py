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

from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.bus.transport import PostgresTransport
from guilder.platform.db.database import Database
from guilder.platform.logging import configure
from tests.contracts.log_toys import World


async def work(url: str) -> None:
    database = await Database.connect(url, size_max=4)
    world = World(database, None, PostgresTransport(database))
    never = asyncio.Event()
    chance = random.Random()

    def dawdle(_: object) -> None:
        time.sleep(chance.choice([0, 0, 0.01]))  # between its effect and its commit, where a kill hurts most

    world.fault = dawdle
    await asyncio.gather(Sequencer(database).run(never), world.consumer(batch_max=10).run(never))


def nurse(url: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            configure(level="CRITICAL")
            asyncio.run(work(url))
        print(pid, flush=True)


if __name__ == "__main__":
    nurse(sys.argv[1])
