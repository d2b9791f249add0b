"""Wake-ups: NOTIFY sent after the commit, gathered, so that no billing transaction queues for NOTIFY's one lock."""

import asyncio
from collections.abc import Iterable

import asyncpg

GATHER_S = 0.002


class Waker:
    """Notifies channels, each at most once in a while; a wake-up may be lost, so listeners poll as well."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._channels: set[str] = set()
        self._sending: asyncio.Task[None] | None = None

    def wake(self, channels: Iterable[str]) -> None:
        self._channels.update(channels)
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
                await self._pool.execute("select pg_notify(name, '') from unnest($1::text[]) as name", channels)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                continue  # whoever listens polls as well
