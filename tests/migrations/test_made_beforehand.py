"""Indexes of large tables that a migration makes, made beforehand while others write."""

from pathlib import Path
from typing import NamedTuple

import pytest

from guilder.platform.db.migrate import FOLDER, migrate, read
from tests.support.database import connected


class Index(NamedTuple):
    """An index, the migration that makes it unless it is there, what makes it beforehand, and whose place it takes."""

    name: str
    number: int
    beforehand: str
    before_it: str


INDEXES = (
    Index(
        "usage.events_by_use_with_value",
        69,
        """create index concurrently events_by_use_with_value on usage.events (tenant_id, customer_id, meter_id, at)
           include (value, status, subscription_id)""",
        "usage.events_by_use",
    ),
    Index(
        "platform.intents_due_by_kind",
        73,
        """create index concurrently intents_due_by_kind on platform.intents (destination, kind, due_at)
           where state = 'waiting'""",
        "platform.intents_due",
    ),
)
FOUND = "select indexrelid::bigint as oid, indisvalid from pg_index where indexrelid = to_regclass($1)"


def until(number: int, folder: Path) -> Path:
    """Copy the migrations before this one."""
    for each in read(FOLDER):
        if each.number < number:
            (folder / f"{each}.sql").write_text(each.sql)
    return folder


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("index", INDEXES, ids=lambda each: each.name)
async def test_one_that_is_whole_is_taken_and_one_that_was_broken_off_made_anew(a_database, tmp_path, index, is_whole):
    async with a_database(migrated=False) as urls:
        await migrate(urls.owner, report=print, folder=until(index.number, tmp_path))
        async with connected(urls.owner) as owner:
            await owner.execute(index.beforehand)
            made = await owner.fetchrow(FOUND, index.name)
        if not is_whole:
            async with connected(urls.admin) as admin:
                await admin.execute("update pg_index set indisvalid = false where indexrelid = $1::bigint", made["oid"])
        await migrate(urls.owner, report=print)
        async with connected(urls.owner) as owner:
            found = await owner.fetchrow(FOUND, index.name)
            assert await owner.fetchval("select to_regclass($1)", index.before_it) is None
    assert found["indisvalid"]
    assert (found["oid"] == made["oid"]) == is_whole
