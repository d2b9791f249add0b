"""A batch sent as columns: PostgreSQL sees the rows that were meant, in their order, whatever was sent once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest

from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Connection
from tests.support.database import DatabaseUrls, connected

KINDS = Columns(
    {"a": "uuid", "b": "text", "c": "bigint", "d": "numeric", "e": "timestamptz", "f": "boolean", "g": "bytea"}
)
SELECT = f"select {KINDS.names} from {KINDS.table} order by v.nth"
JOINED = Columns({"a": "uuid", "b": "text", "c": "jsonb"}, joined=("a", "c"))
START = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncIterator[Connection]:
    async with connected(database_urls.admin) as admin:
        yield admin


def a_row(chance: Random) -> dict[str, Any]:
    """Few values of each kind, so that columns are often alike by chance."""
    values = {
        "a": UUID(int=chance.randint(1, 2)),
        "b": chance.choice(["", "a,b", "{}", "x'"]),
        "c": chance.randint(0, 1),
        "d": Decimal(chance.choice(["1.0", "1.00", "2"])),
        "e": START + timedelta(days=chance.randint(0, 1)),
        "f": chance.random() < 0.5,
        "g": bytes(chance.randint(0, 2)),
    }
    return {name: None if chance.random() < 0.3 else value for name, value in values.items()}


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_rows_come_as_they_were_sent(admin: Connection, count: int) -> None:
    for seed in range(40):
        chance = Random(seed)
        rows = [a_row(chance) for _ in range(count)]
        found = await admin.fetch(SELECT, *KINDS.of(rows))
        assert [{name: str(value) for name, value in row.items()} for row in found] == [
            {name: str(value) for name, value in row.items()} for row in rows
        ], f"seed {seed}"


@pytest.mark.parametrize("count", [1, 2, 7])
async def test_rows_of_which_columns_are_joined_come_as_they_were_sent(admin: Connection, count: int) -> None:
    for seed in range(40):
        chance = Random(seed)
        ids, texts = [None, UUID(int=1), UUID(int=2)], [None, '{"a": "b\\nc"}', "[]"]
        rows = [
            {"a": chance.choice(ids), "b": chance.choice(["", "x\ny"]), "c": chance.choice(texts)} for _ in range(count)
        ]
        if count == 1:
            rows[0]["a"] = UUID(int=1)
        found = await admin.fetch(f"select {JOINED.names} from {JOINED.table} order by v.nth", *JOINED.of(rows))
        assert [dict(row) for row in found] == rows, f"seed {seed}"
