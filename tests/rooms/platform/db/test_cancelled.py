"""Whoever goes away in the middle of a transaction leaves nothing of it on the connection, which the next one gets."""

import asyncio
import random
from contextlib import suppress
from uuid import uuid4

from guilder.kernel.ids import TenantId
from guilder.platform.db.database import Database
from tests.support.database import DatabaseUrls

LEFT = "select current_user = session_user, coalesce(current_setting('guilder.tenants', true), '')"


async def test_a_cancelled_transaction_leaves_its_connection_clean(database_urls: DatabaseUrls) -> None:
    """Cancelled at any point: while it waits, opens, works, commits or rolls back. Its tenants are the next one's never."""
    database = await Database.connect(database_urls.app, size_max=4)
    chance = random.Random(7)

    async def work() -> None:
        async with database.transaction([TenantId(uuid4())], actor="test") as tx:
            await tx.execute("create temporary table if not exists mark () on commit drop")
            await tx.send("select pg_sleep(0.001)")
            await tx.fetchval("select pg_sleep(0.001)")

    try:
        for _ in range(60):
            tasks = [asyncio.create_task(work()) for _ in range(6)]
            for task in tasks:
                await asyncio.sleep(chance.uniform(0, 0.004))
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            async with database.pool.acquire() as one, database.pool.acquire() as two:
                for connection in (one, two):
                    assert not connection.is_in_transaction()
                    assert tuple(await connection.fetchrow(LEFT)) == (True, "")
        assert database.pool.get_size() - database.pool.get_idle_size() == 0
        assert database.waiting == 0
    finally:
        await database.close()
