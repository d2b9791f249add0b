"""Through what the log goes, PostgreSQL alone or brokers too, and the processes that play its roles there."""

import asyncio
import contextlib
import multiprocessing as mp
import queue
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from _server import Wrong

from guilder.entrypoints import serving
from guilder.platform.bus.kafka.connection import Connection
from guilder.platform.bus.kafka.relay import Relay
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import Topics
from guilder.platform.bus.kafka.transport import KafkaTransport
from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database

PARTITIONS = 16
START_S = 120
TELL_S = 60


@dataclass(frozen=True, slots=True)
class Way:
    """Through what a run goes: PostgreSQL alone, or brokers too."""

    url: str
    servers: str | None = None
    prefix: str = ""

    def transport(self, database: Database) -> KafkaTransport | None:
        return KafkaTransport(database, self.connection, WallClock()) if self.servers else None

    @property
    def connection(self) -> Connection:
        assert self.servers is not None
        return Connection(self.servers, prefix=self.prefix)


# Plays a role until the event is set, having called the function once it is ready; returns what it has to tell.
Role = Callable[[Way, asyncio.Event, Callable[[], None], Any], Awaitable[Any]]


@contextmanager
def processes(way: Way, role: Role, count: int, given: Any = None) -> Iterator[list[Any]]:
    """Run so many workers, a process each, and the relay where there are brokers; yield what they tell in the end.

    :raises Wrong: one did not start, or told nothing
    """
    spawn = mp.get_context("spawn")
    ready, over, told = spawn.Semaphore(0), spawn.Event(), spawn.Queue()
    roles = [role] * count + ([_relay] if way.servers else [])
    born = [spawn.Process(target=_play, args=(each, way, ready, over, told, given)) for each in roles]
    for each in born:
        each.start()
    heard: list[Any] = []
    try:
        for _ in born:
            if not ready.acquire(timeout=START_S):
                raise Wrong("a process did not start")
        yield heard
    finally:
        over.set()
        for _ in born:
            with contextlib.suppress(queue.Empty):
                heard.append(told.get(timeout=TELL_S))
        for each in born:
            each.join(30)
            if each.is_alive():
                each.kill()
        heard[:] = [each for each in heard if each is not None]
    if len(heard) != count:
        raise Wrong(f"{len(heard)} of {count} workers told what they did")


def _play(role: Role, way: Way, ready: Any, over: Any, told: Any, given: Any) -> None:
    async def play() -> Any:
        stop = asyncio.Event()
        running = asyncio.ensure_future(role(way, stop, ready.release, given))
        await asyncio.to_thread(over.wait)
        stop.set()
        return await running

    told.put(serving.run(play()))


async def _relay(way: Way, stop: asyncio.Event, ready: Callable[[], None], given: Any) -> None:
    database = await Database.connect(way.url, size_max=6)
    sender = Sender(way.connection, Topics(way.connection, partitions=PARTITIONS, days_kept=1))
    relay = Relay(database, sender, WallClock())
    await relay.register()
    ready()
    await relay.run(stop)
    await database.close()
