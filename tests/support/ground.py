"""What a test of rooms stands on: a database connected as the product connects, with a vault."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from tests.support.database import DatabaseUrls

RING = KeyRing.parse("test:" + base64.b64encode(b"guilder tests: a key of 32 bytes").decode())
SIZE_MAX = 12
GIVEN_BACK_WITHIN_S = 30


class Standing:
    """A worker's pool, which each test of its database is lent: a new one knows no table yet, and finds out for long.

    What is remembered of rows (a vault's keys) is a test's own, as they are gone after it.
    """

    def __init__(self, urls: DatabaseUrls) -> None:
        self.urls = urls
        self._kept: Database | None = None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Database]:
        if self._kept is None or self._kept.pool.is_closing():
            # Not by the product's name: some tests count its connections.
            self._kept = await Database.connect(self.urls.app, size_max=SIZE_MAX, name="standing")
        kept = self._kept
        database = Database(kept.pool, url=kept.url, direct_url=kept.direct_url, vault=Vault(RING), aside=kept.aside)
        try:
            yield database
        finally:
            await database.waker.close()
            if not await _is_given_back(kept.pool):
                # Somebody still holds a connection: it is no other test's to find.
                self._kept = None
                kept.pool.terminate()
                kept.aside.terminate()

    async def close(self) -> None:
        if self._kept is not None:
            await self._kept.close()


_standing: dict[str, Standing] = {}


@asynccontextmanager
async def standing(urls: DatabaseUrls) -> AsyncIterator[None]:
    """For as long as the block runs, `database_with_vault` of these addresses lends one pool again and again."""
    found = _standing[urls.app] = Standing(urls)
    try:
        yield
    finally:
        del _standing[urls.app]
        await found.close()


@asynccontextmanager
async def database_with_vault(urls: DatabaseUrls) -> AsyncIterator[Database]:
    if (found := _standing.get(urls.app)) is not None:
        async with found.lent() as database:
            yield database
        return
    database = await Database.connect(urls.app, size_max=SIZE_MAX, vault=Vault(RING))
    try:
        yield database
    finally:
        await database.close()


async def _is_given_back(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    """Wait a moment for connections that are on their way back."""
    ends = asyncio.get_running_loop().time() + GIVEN_BACK_WITHIN_S
    while pool.get_idle_size() < pool.get_size():
        if asyncio.get_running_loop().time() > ends:
            return False
        await asyncio.sleep(0.01)
    return True
