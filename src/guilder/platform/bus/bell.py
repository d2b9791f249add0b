"""The bell: says that something was announced, outside the transaction that announced it.

A NOTIFY makes the commits of a whole database queue behind each other, so no billing transaction sends one. It rings the
bell of its process instead; a moment later one notice goes out for all that was announced meanwhile. A notice that comes
before its commit, or never, costs a poll's delay and nothing else.
"""

import asyncio
import contextlib

from guilder.platform.bus import store
from guilder.platform.db.database import GONE, Database

GATHER_S = 0.02
BACKOFF_S = 1.0


class Bell:
    """Coalesces: however often it rings within GATHER_S, it is heard once."""

    def __init__(self) -> None:
        self._rung: asyncio.Event | None = None

    def ring(self) -> None:
        """Say that something was announced; nobody needs to be there. Called from the loop that `run` runs in."""
        if self._rung is not None:
            self._rung.set()

    async def run(self, database: Database, stop: asyncio.Event) -> None:
        """Send notices until `stop` is set."""
        self._rung = asyncio.Event()
        try:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._rung.wait(), timeout=BACKOFF_S)
                if self._rung.is_set():
                    await asyncio.sleep(GATHER_S)
                    self._rung.clear()
                    await self._send(database)
        finally:
            self._rung = None

    async def _send(self, database: Database) -> None:
        try:
            await store.notify(database, store.ANNOUNCED)
        except GONE:
            await asyncio.sleep(BACKOFF_S)  # whoever polls finds it anyway


bell = Bell()
