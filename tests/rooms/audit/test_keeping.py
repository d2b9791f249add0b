"""Keeping: months are made ahead, dropped whole when old, and the chains go on verifiably from there."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.audit import jobs
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from guilder.platform.bus.codec import partition_of
from guilder.platform.clock import WallClock
from guilder.platform.outside.files import open_files
from tests.support.builders.identity import NOW
from tests.support.database import connected

TABLES = (
    "select c.relname as t from pg_class c where c.relnamespace = 'audit'::regnamespace and c.relname ~ '_[0-9]{6}$'"
)
WALL = WallClock()


@pytest.fixture
async def aged(ground):
    """Three records, of which the first two stand in a month of eight years ago, made as they would have been then."""
    # In a chain of their own: one that has records of today already never goes back to an earlier month.
    begun = await ground.rows("select partition from audit.heads where tenant_id = $1", ground.tenant_id)
    partitions = {row["partition"] for row in begun}
    drawn = (CustomerId(ids.new(NOW)) for _ in range(1_000))
    await ground.announce(3, customer_id=next(each for each in drawn if partition_of(each, 16) not in partitions))
    then = datetime(2018, 5, 3, tzinfo=UTC)
    async with connected(ground.admin_url) as admin:
        await admin.execute("select audit.add_months('2018-05-01', 0)")
    numbers = [
        row["id"]
        for row in await ground.rows("select id from platform.log where name like 'notifications.%' order by id")
    ]
    await ground.as_superuser("update platform.log set recorded_at = $1 where id = any ($2)", then, numbers[:2])
    await ground.hear()
    return ground


@pytest.mark.shows("ASVS 14.2.4")
async def test_an_old_month_is_dropped_and_its_chain_goes_on(aged):
    # Records before those three stand in today's month, and a chain's months never go back: it began in one of its own.
    before = await aged.rows(
        "select month, count(*) as n from audit.records where action like 'notif%' group by 1 order by 1"
    )
    old = [row for row in before if row["month"].year == 2018]
    assert old, "the chain of those three has no other records"
    dropped = await jobs.keep(aged.database, days=2_555, sandbox_days=90, now=WALL.now())
    assert dropped == 2, "that of businesses, and that of sandboxes"
    assert await aged.rows("select 1 from audit.records where month < '2019-01-01'") == []
    [closing] = await aged.rows("select * from audit.closings")
    assert (closing["first_seq"], closing["last_seq"]) == (1, 2)
    assert (await aged.verify()).count == 0
    await aged.hear()
    [told] = await aged.rows("select * from audit.records where action = 'audit.month.dropped'")
    assert json.loads(told["payload"])["last_hash"] == closing["last_hash"].hex()
    assert (await aged.verify()).count == 0
    await aged.as_superuser("update audit.closings set last_hash = sha256('x')")
    assert (await aged.verify()).count == 1


async def test_what_is_not_old_stays(ground):
    await ground.told(2)
    before = await ground.rows("select count(*) as n from audit.records")
    assert await jobs.keep(ground.database, days=1, sandbox_days=1, now=WALL.now()) == 0
    assert await ground.rows("select count(*) as n from audit.records") == before


async def test_months_are_made_ahead_once(ground):
    later = WALL.now() + timedelta(days=400)
    await jobs.keep(ground.database, days=2_555, sandbox_days=2_555, now=later)
    made = {row["t"] for row in await ground.rows(TABLES)}
    assert {f"records_business_{later:%Y%m}", f"records_sandbox_{later:%Y%m}"} <= made
    await jobs.keep(ground.database, days=2_555, sandbox_days=2_555, now=later)
    assert {row["t"] for row in await ground.rows(TABLES)} == made


async def test_a_month_without_a_table_is_caught(ground):
    await ground.announce(1)
    await ground.as_superuser("update platform.log set recorded_at = '2040-01-05' where name like 'notifications.%'")
    await ground.hear()
    assert [
        row["t"]
        for row in await ground.rows(
            "select tableoid::regclass::text as t from audit.records where month > '2039-01-01'"
        )
    ] == ["audit.records_business_default"]
    assert (await ground.verify()).count == 0


@pytest.mark.shows("I30")
async def test_an_anchor_is_written_once_a_day_and_read_again(ground):
    files, now = open_files("memory://"), WALL.now()
    await ground.told(5)
    assert await jobs.anchor(ground.database, files, now=now)
    await ground.told(5)
    assert not await jobs.anchor(ground.database, files, now=now)
    assert await jobs.anchor(ground.database, files, now=now + timedelta(days=1))
    anchors = await jobs.anchors(files)
    found = await ground.verify(anchors)
    assert found.count == 0
    assert found.anchors > 0
    await files.put(f"{jobs.ANCHORS}/2020-01-01.jsonl", b'{"format":"other"}\n', content_type="text/plain")
    with pytest.raises(ValueError, match="not an anchor"):
        await jobs.anchors(files)
