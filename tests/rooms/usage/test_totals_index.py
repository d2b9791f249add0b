"""The index of totals (migration 0069), made beforehand on a large table."""

from pathlib import Path

import pytest

from guilder.platform.db.migrate import FOLDER, migrate, read
from tests.support.database import connected

NUMBER = 69
BEFOREHAND = """create index concurrently events_by_use_with_value on usage.events (tenant_id, customer_id, meter_id, at)
                include (value, status, subscription_id)"""
FOUND = """select indexrelid::bigint as oid, indisvalid from pg_index
            where indexrelid = to_regclass('usage.events_by_use_with_value')"""


@pytest.fixture
def until_then(tmp_path: Path) -> Path:
    for each in read(FOLDER):
        if each.number < NUMBER:
            (tmp_path / f"{each}.sql").write_text(each.sql)
    return tmp_path


@pytest.mark.parametrize("is_whole", [True, False])
async def test_one_that_is_whole_is_taken_and_one_that_was_broken_off_made_anew(a_database, until_then, is_whole):
    async with a_database(migrated=False) as urls:
        await migrate(urls.owner, report=print, folder=until_then)
        async with connected(urls.owner) as owner:
            await owner.execute(BEFOREHAND)
            made = await owner.fetchrow(FOUND)
        if not is_whole:
            async with connected(urls.admin) as admin:
                await admin.execute("update pg_index set indisvalid = false where indexrelid = $1::bigint", made["oid"])
        await migrate(urls.owner, report=print)
        async with connected(urls.owner) as owner:
            found = await owner.fetchrow(FOUND)
            assert await owner.fetchval("select to_regclass('usage.events_by_use')") is None
    assert found["indisvalid"]
    assert (found["oid"] == made["oid"]) == is_whole
