"""Rows are found by their keys, however PostgreSQL reckons with row-level security: a batch reads no table whole."""

from collections.abc import AsyncIterator

import pytest

from guilder.platform.db.database import Database
from tests.rooms.platform.ground import a_tenant, database_of, platform_database
from tests.support.database import DatabaseUrls, connected
from tests.support.plans import looked_at

ROWS, BATCH, FEW = 60_000, 300, 10
SCHEMA = """
select platform.open_room('toy');
create table toy.things (tenant_id uuid not null, id uuid not null, what text not null, primary key (tenant_id, id));
select platform.protect('toy.things');
"""


@pytest.fixture(scope="session")
async def things_urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_things_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def database(things_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with database_of(things_urls) as database:
        yield database


async def test_a_batch_of_keys_looks_at_its_rows_alone(database: Database, things_urls: DatabaseUrls) -> None:
    tenant = a_tenant()
    async with connected(things_urls.admin) as admin:
        await admin.execute(
            "insert into toy.things select $1, gen_random_uuid(), 'thing ' || n from generate_series(1, $2) n",
            tenant,
            ROWS,
        )
        await admin.execute("vacuum analyze toy.things")
    async with database.transaction({tenant}, actor="test") as tx:
        ids = [row["id"] for row in await tx.fetch("select id from toy.things order by what limit $1", BATCH)]
        seen = await looked_at(
            tx,
            "select * from toy.things where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))",
            [tenant] * BATCH,
            ids,
        )
    assert BATCH <= max(seen.values()) <= FEW * BATCH, seen
