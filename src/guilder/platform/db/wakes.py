"""Wake-ups: NOTIFY sent after the commit, gathered, so that no billing transaction queues for NOTIFY's one lock."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import asyncpg

from guilder.platform.db.tx import Connection

# The driver's own error is what it raises when a connection dies just as it is handed out.
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
GATHER_S = 0.002
RECONNECT_S = 1.0


class Waker:
    """Notifies channels, each at most once in a while; a wake-up may be lost, so listeners poll as well."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._channels: set[str] = set()
        self._sending: asyncio.Task[None] | None = None

    def wake(self, channels: Iterable[str]) -> None:
        self._channels.update(channels)
        assert all(name.isidentifier() for name in self._channels), self._channels
        if self._channels and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(), name="wakes")

    async def close(self) -> None:
        """Send what is left."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=1)

    async def _send(self) -> None:
        while self._channels:
            await asyncio.sleep(GATHER_S)
            channels, self._channels = sorted(self._channels), set()
            try:
                # One message without values, and so a transaction by itself: it needs no other, nor a pooler's patience.
                async with self._pool.acquire() as connection:
                    await connection.execute("; ".join(f'notify "{name}"' for name in channels))
            except _TROUBLE:
                continue  # whoever listens polls as well


async def heed(
    connect: Callable[[], Awaitable[Connection]], channel: str, *, wake: asyncio.Event, stop: asyncio.Event
) -> None:
    """Set `wake` whenever `channel` is notified, until `stop`; a lost connection is opened again."""
    while not stop.is_set():
        try:
            await _listen(await connect(), channel, wake=wake, stop=stop)
        except _TROUBLE:
            await within(stop.wait(), RECONNECT_S)


async def _listen(connection: Connection, channel: str, *, wake: asyncio.Event, stop: asyncio.Event) -> None:
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    try:
        await connection.add_listener(channel, lambda *_: wake.set())
        # What was notified before we listened is found by looking once more.
        wake.set()
        await first(gone, stop)
    finally:
        await connection.close(timeout=1)


async def within(event: Awaitable[object], seconds: float) -> None:
    """Wait for something, but no longer than this."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event, seconds)


async def first(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    """Wait for whichever event is set first."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
