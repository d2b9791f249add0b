"""A migration gives a table a column while processes read it by statements that they prepared before: nobody notices."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest

from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.database import DatabaseUrls

SIZE = 4
WHOLE = "select * from customers.customers"


async def columns(tx: Tx) -> int:
    await tx.fetch(WHOLE)
    return len((await tx.connection.prepare(WHOLE)).get_attributes())


async def prepared(database: Database) -> int:
    """Read by every connection of the pool; return how many columns they see."""
    together = asyncio.Barrier(SIZE)

    async def read(tx: Tx) -> int:
        await together.wait()
        return await columns(tx)

    [found] = set(await asyncio.gather(*(database.run(read, actor="test") for _ in range(SIZE))))
    return found


@pytest.mark.shows("fault J2")
async def test_what_was_prepared_before_a_column_came_is_prepared_anew(
    a_database: Callable[..., AbstractAsyncContextManager[DatabaseUrls]],
) -> None:
    async with a_database() as urls:
        database = await Database.connect(urls.app, size_max=SIZE)
        owner = await asyncpg.connect(urls.owner)
        try:
            before = await prepared(database)
            await owner.execute("alter table customers.customers add column came_later int")
            found = await asyncio.gather(*(database.run(columns, actor="test") for _ in range(3 * SIZE)))
            assert set(found) == {before + 1}
        finally:
            await owner.close()
            await database.close()
