"""What one group read, the others of the process need not read: unless it was written anew since.

That forgetting says so is seen in tests/rooms/privacy.
"""

from typing import Any

import pytest

from guilder.kernel.event import Event
from guilder.platform.bus import together
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.remembered import Rows
from guilder.platform.bus.together import Claimed, Found
from guilder.platform.db.tx import Tx
from tests.contracts.log_toys import Counted, Recounted, World
from tests.rooms.platform.ground import NOW, some_ids

GROUPS = ("first", "second")
BEHIND_ITS_BACK = "update platform.log set payload = jsonb_set(payload, '{n}', '41'), actor = 'user:who'"
WRITTEN_ANEW = "update platform.log_epoch set rewritten = rewritten + 1"
ANOTHER_LIFE = "update platform.log_epoch set epoch = 2; update platform.log_cursors set epoch = 2"


def two(world: World, **settings: Any) -> Consumer:
    return world.consumer(*(world.hearing(group) for group in GROUPS), **settings)


async def all_of(world: World, consumer: Consumer, group: str) -> None:
    partitions = [row[0] for row in await world.admin.fetch("select distinct partition from platform.log")]
    while await consumer.step_together(group, sorted(partitions)):
        pass


async def claimed_and_found(tx: Tx, world: World, group: str) -> tuple[Claimed, Found]:
    partitions = [row[0] for row in await world.admin.fetch("select distinct partition from platform.log")]
    claimed = await together.claim(tx, group, partitions, now=NOW)
    return claimed, await together.find(tx, claimed, rows_max=100)


async def test_a_second_group_reads_no_row_of_the_log_again(world: World) -> None:
    things = some_ids(5)
    await world.count_each(things)
    await world.sequence()
    consumer = two(world)
    await all_of(world, consumer, "first")
    await world.admin.execute(BEHIND_ITS_BACK)
    await all_of(world, consumer, "second")
    assert await world.heard("second") == await world.heard("first") == {thing: [1] for thing in things}


@pytest.mark.parametrize("since", [WRITTEN_ANEW, ANOTHER_LIFE])
async def test_what_may_have_changed_since_is_read_again(world: World, since: str) -> None:
    (thing,) = some_ids(1)
    await world.count(thing, 2)
    await world.sequence()
    consumer = two(world)
    await all_of(world, consumer, "first")
    await world.admin.execute(f"{BEHIND_ITS_BACK}; {since}")
    await all_of(world, consumer, "second")
    assert await world.heard("first") == {thing: [1, 2]}
    assert await world.heard("second") == {thing: [41, 41]}


async def test_what_a_slower_transaction_read_before_is_not_handed_on(world: World) -> None:
    """It claimed its cursors before the rows were written anew, and reads them while others know of that already."""
    (thing,) = some_ids(1)
    await world.count(thing, 3)
    await world.sequence()
    await two(world).register()
    rows = Rows()
    async with world.database.transaction({world.tenant}, actor="group:first") as slow:
        claimed, found = await claimed_and_found(slow, world, "first")
        await world.admin.execute(WRITTEN_ANEW)
        async with world.database.transaction({world.tenant}, actor="group:second") as quick:
            newer, _ = await claimed_and_found(quick, world, "second")
            assert await rows.read(quick, newer, {}) == []
        assert len(await rows.read(slow, claimed, found)) == 3
    await world.admin.execute(BEHIND_ITS_BACK)
    async with world.database.transaction({world.tenant}, actor="group:second") as tx:
        told = [row["payload"] for row in await rows.read(tx, *await claimed_and_found(tx, world, "second"))]
    assert ['"n": 41' in payload for payload in told] == [True, True, True]


async def test_nothing_is_remembered_once_nothing_waits(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing)
    consumer = world.consumer(world.hearing("first"))
    await consumer.drain()
    assert consumer._batches.handling.messages._young == {}
    await world.admin.execute(BEHIND_ITS_BACK)
    await world.consumer(world.hearing("second")).drain()
    assert await world.heard("second") == {thing: [41]}


async def test_however_few_rows_are_remembered_everything_is_heard_in_order(world: World) -> None:
    things = some_ids(4)
    for thing in things:
        await world.count(thing, 6)
    await world.sequence()
    world.transport._rows = Rows(rows_max=5)  # type: ignore[attr-defined]
    consumer = two(world, batch_max=7)
    await consumer.drain()
    for group in GROUPS:
        assert await world.heard(group) == {thing: [1, 2, 3, 4, 5, 6] for thing in things}


async def test_of_a_run_of_which_only_some_is_remembered_all_is_read(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing, 3)
    await world.sequence()
    await two(world).register()
    rows = Rows()
    for count in (3, 6):
        async with world.database.transaction({world.tenant}, actor="group:first") as tx:
            found = await rows.read(tx, *await claimed_and_found(tx, world, "first"))
        assert [row["position"] for row in found] == list(range(1, count + 1))
        await world.count(thing, 3)
        await world.sequence()


async def test_a_message_is_what_its_group_takes_it_for(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing)
    await world.count(thing, event=Recounted)
    heard: list[tuple[str, str, int]] = []
    world.fault = lambda message: heard.append((world.calls[-1][0], type(message.event).__name__, message.event.n))
    await world.consumer(
        world.hearing("one", Counted), world.hearing("other", Recounted), world.hearing("all", Event)
    ).drain()
    assert sorted(heard) == [
        ("all", "Counted", 1),
        ("all", "Recounted", 2),
        ("one", "Counted", 1),
        ("other", "Recounted", 2),
    ]
