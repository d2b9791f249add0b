"""What a process remembers, on a real connection that listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from guilder.kernel.ids import TenantId
from guilder.platform.cache.near import Near, Teller
from guilder.platform.db.database import Database

PATIENT_S = 30.0
NOBODY = TenantId(uuid4())


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[Near]:
    """Remember, and hear what others change; for as long as the block."""
    near, stop = Near(database.listen), asyncio.Event()
    running = asyncio.create_task(near.run(stop))
    await hears(near)
    try:
        yield near
    finally:
        stop.set()
        await running


async def hears(near: Near) -> None:
    """Wait until it listens."""
    async with asyncio.timeout(PATIENT_S):
        while near.mark(NOBODY, "anything") is None:
            await asyncio.sleep(0.01)


def tells(database: Database, near: Near | None = None) -> None:
    """Have a process say what it changes, as each one does."""
    database.on_touched = Teller(database.pool, near).touched
