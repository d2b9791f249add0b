"""What every PostgreSQL says alike is asked once, not by every connection."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from guilder.platform.db.hosts import OpeningConnection, PooledConnection
from tests.support.database import DatabaseUrls

KINDS = {
    "uuid": [UUID(int=1), None],
    "text": ["a", ""],
    "bigint": [1, 2**40],
    "numeric": [Decimal("1.50")],
    "date": [date(2026, 1, 1)],
    "timestamptz": [datetime(2026, 1, 1, tzinfo=UTC)],
    "jsonb": ['{"a": 1}'],
    "bytea": [b"\x00"],
    "boolean": [True, False],
}


async def said(urls, options):
    """Return what comes back of each kind of array, and which questions about types a new connection asked."""
    connection = await asyncpg.connect(urls.app, **options)
    asked = []
    connection.add_query_logger(lambda query: asked.append(query.query))
    back = {name: await connection.fetchval(f"select $1::{name}[]", value) for name, value in KINDS.items()}
    await connection.close()
    return back, [each for each in asked if "typeinfo" in each or "jit" in each]


@pytest.mark.parametrize(
    "options",
    [{"connection_class": OpeningConnection}, {"connection_class": PooledConnection, "statement_cache_size": 0}],
)
async def test_the_second_connection_asks_about_no_type(database_urls: DatabaseUrls, options):
    first, _ = await said(database_urls, options)
    second, asked = await said(database_urls, options)
    assert first == second == KINDS
    assert asked == []


async def test_what_is_this_databases_own_is_asked_about_by_everyone(database_urls: DatabaseUrls):
    for shape, there in (("a text, b int", ("x", 1)), ("a int", (1,))):
        # The second has the first one's name, and perhaps its number: a type of its own is never remembered.
        connection = await asyncpg.connect(database_urls.app, connection_class=OpeningConnection)
        await connection.execute(f"create type pg_temp.pair as ({shape})")
        found = await connection.fetchval("select array[$1::pg_temp.pair]", there)
        assert [tuple(each) for each in found] == [there]
        await connection.close()
