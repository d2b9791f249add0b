from datetime import UTC, date, datetime, timedelta

import pytest

from guilder.platform.bus import dead_letters, groups
from guilder.platform.bus.batches import WrongEpoch
from guilder.platform.bus.retention import Retention
from guilder.platform.clock import HandClock
from tests.contracts.log_toys import World, fails_for
from tests.rooms.platform.ground import NOW, a_tenant, some_ids

TODAY = datetime.now(UTC)


async def days(world: World) -> set[str]:
    rows = await world.admin.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'platform.log'::regclass"
    )
    return {row["name"].removeprefix("platform.log_") for row in rows}


async def put_on(world: World, day: date) -> None:
    await world.count(some_ids(1)[0])
    await world.admin.execute("update platform.log set day = $1 where position is null", day)


def retention(world: World, days_kept: int = 30) -> Retention:
    return Retention(world.database, HandClock(TODAY), days_kept=days_kept)


async def test_makes_the_days_to_come_once(world: World) -> None:
    assert await retention(world).step() == 0
    wanted = {f"{TODAY + timedelta(days=n):%Y%m%d}" for n in range(8)}
    before = await days(world)
    assert wanted <= before
    await retention(world).step()
    assert await days(world) == before


@pytest.mark.shows("ASVS 14.2.7", "LAW events")
async def test_drops_old_days_that_everyone_has_read_and_holds_those_that_someone_has_not(world: World) -> None:
    old = (TODAY - timedelta(days=40)).date()
    await world.admin.execute("select platform.log_add_days($1, 0)", old)
    name = f"{old:%Y%m%d}"
    await put_on(world, old)
    assert await retention(world).step() == 10, "it has no position yet"
    reader = world.consumer(world.hearing("reads"))
    sleeper = world.consumer(world.hearing("sleeps"))
    await sleeper.register()
    await reader.drain()
    assert await retention(world).step() == 10, "a group has not read it"
    assert name in await days(world)
    await sleeper.drain()
    assert await retention(world).step() == 0
    assert name not in await days(world)
    await put_on(world, TODAY.date())
    await reader.drain()
    assert len(await world.heard("reads")) == 2


async def test_a_forgotten_group_holds_nothing_back(world: World) -> None:
    old = (TODAY - timedelta(days=40)).date()
    await put_on(world, old)
    await world.consumer(world.hearing("gone")).register()
    await world.sequence()
    assert await retention(world).step() == 10
    async with world.database.transaction(actor="test") as tx:
        await groups.forget(tx, group="gone")
    assert await retention(world).step() == 0
    assert await world.admin.fetchval("select count(*) from platform.log") == 0, "the net is emptied too"


async def test_a_day_that_the_net_has_caught_stays_in_the_net(world: World) -> None:
    ahead = (TODAY + timedelta(days=90)).date()
    await put_on(world, ahead)
    assert await world.admin.fetchval("select platform.log_add_days($1, 1)", ahead) == 1
    await world.consumer().drain()
    assert await world.heard() == await world.counts()
    await world.admin.execute(f"drop table platform.log_{ahead + timedelta(days=1):%Y%m%d}")


async def test_a_parked_message_outlives_the_day_it_came_from(world: World) -> None:
    await put_on(world, (TODAY - timedelta(days=40)).date())
    (thing,) = await world.counts()
    world.fault = fails_for(thing)
    await world.consumer().drain(hurry=True)
    assert await retention(world).step() == 0
    world.fault = None
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        assert await dead_letters.replay(tx, now=NOW) == 1
    await world.consumer().drain()
    assert await world.heard() == {thing: [1]}


async def test_refuses_cursors_of_another_epoch_until_they_are_told_to_come_along(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing)
    consumer = world.consumer()
    await consumer.drain()
    await world.count(thing)
    async with world.database.transaction(actor="test") as tx:
        assert await groups.begin_epoch(tx, with_cursors=False) == 2
    with pytest.raises(WrongEpoch, match="restored"):
        await consumer.drain()
    assert await world.heard() == {thing: [1]}
    async with world.database.transaction(actor="test") as tx:
        assert await groups.begin_epoch(tx, with_cursors=True) == 3
    await consumer.drain()
    assert await world.heard() == {thing: [1, 2]}


async def test_measures_how_far_behind_a_group_is(world: World) -> None:
    bad, good = some_ids(2)
    await world.count(bad, 2)
    await world.count(good, 3)
    consumer = world.consumer(world.hearing("one"))
    await consumer.register()
    await world.sequence()

    async def lag() -> tuple[str, int, int, int]:
        async with world.database.transaction(actor="test") as tx:
            (only,) = await groups.lag(tx)
            return tuple(only)

    seen = [await lag()]
    world.fault = fails_for(bad)
    await consumer.drain()
    seen.append(await lag())
    await consumer.drain(hurry=True)
    seen.append(await lag())
    assert seen == [("one", 5, 0, 0), ("one", 0, 2, 0), ("one", 0, 0, 2)]


async def test_a_tenant_neither_sees_nor_replays_the_dead_of_another(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing)
    world.fault = fails_for(thing)
    await world.consumer().drain(hurry=True)
    async with world.database.transaction({a_tenant()}, actor="test") as tx:
        assert (await dead_letters.listing(tx), await dead_letters.counts(tx)) == ([], {})
        assert await dead_letters.replay(tx, now=NOW) == 0
