"""Through a real PgBouncer that shares three servers by the transaction, as through none."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from guilder.platform.db.portable import portable
from tests.support.database import DatabaseUrls, connected
from tests.support.inside import Inside, a_house, lightly_furnished
from tests.support.pgbouncer import SERVERS, a_pooler
from tests.support.processes import Installation, until

pytestmark = pytest.mark.needs_pgbouncer
ROUNDS = 8


@pytest.fixture(scope="module")
async def pooled(database_urls: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    with a_pooler(database_urls.app) as url:
        more = {"DATABASE_URL": url, "DATABASE_DIRECT_URL": database_urls.app}
        async with a_house(Installation(database_urls, tmp_path_factory.mktemp("pooled"), more=more)) as inside:
            yield inside


async def test_a_few_rooms_are_lived_in_by_several_at_once(pooled: Inside, database_urls: DatabaseUrls) -> None:
    worker = pooled.house.worker()
    await worker.consumer.register()
    stop = asyncio.Event()
    working = [asyncio.create_task(run(stop)) for run in (worker.sequencer.run, worker.consumer.run)]
    try:
        sandboxes = [await pooled.a_sandbox() for _ in range(3)]
        furnished = await asyncio.gather(*(lightly_furnished(each) for each in sandboxes))
        for asked, ids in zip(sandboxes, furnished, strict=True):
            [invoice] = [each for each in await asked.get("/api/invoices") if each["id"] == ids["invoice_id"]]
            assert invoice["total"] == 3000

        async def has_heard() -> bool:
            return all([await each.get("/api/events") for each in sandboxes])

        await until(has_heard, what="the feed")
    finally:
        stop.set()
        await asyncio.gather(*working)
    await worker.consumer.drain()
    async with connected(database_urls.admin) as admin:
        behind = await admin.fetchval(
            "select count(*) from pg_stat_activity where datname = $1 and application_name = 'guilder'",
            database_urls.name,
        )
        listening = 2  # sequencer and consumer had their own, directly
        assert behind <= SERVERS + listening


async def test_nothing_that_stays_behind_in_a_connection_is_relied_on(pooled: Inside) -> None:
    """Statements outlive a transaction at one server of three; the next transaction may be at another."""
    database = pooled.house.database

    async def read(number: int) -> None:
        async with database.transaction(actor="test") as tx:
            assert await tx.fetchval("select $1::int", number) == number
            found = [row async for _, row in portable(tx, "n", "select n from generate_series(1, 700) as n")]
            assert len(found) == 700
            assert await tx.fetchval("select current_setting('guilder.actor')") == "test"

    for _ in range(ROUNDS):
        await asyncio.gather(*(read(number) for number in range(ROUNDS)))
    async with database.pool.acquire() as connection, connection.transaction():
        assert not await connection.fetchval("select current_setting('guilder.actor', true)")


async def test_listens_directly_and_is_woken(pooled: Inside) -> None:
    heard = asyncio.Event()
    connection = await pooled.house.database.listen()
    try:
        await connection.add_listener("guilder_test", lambda *_: heard.set())
        pooled.house.database.waker.wake(["guilder_test"])

        async def is_woken() -> bool:
            return heard.is_set()

        await until(is_woken, what="the wake-up")
    finally:
        await connection.close()


async def test_is_ready(pooled: Inside) -> None:
    answer = await pooled.http.get("/ready")
    assert answer.status_code == 200, answer.text
