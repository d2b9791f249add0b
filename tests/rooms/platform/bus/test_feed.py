import asyncio
import random
from typing import Any

import pytest

from guilder.platform.bus import groups
from guilder.platform.bus.feed import FeedCursorOutdated, FeedCursorUnreadable, FeedPage, feed
from tests.contracts.log_toys import World
from tests.rooms.platform.ground import a_tenant, some_ids


async def page(world: World, after: str | None = None, limit: int = 100) -> FeedPage:
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        return await feed(tx, after=after, limit=limit)


def numbers(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["data"]["thing_id"], event["data"]["n"]) for event in events]


async def test_gives_every_event_once_and_in_order_per_key_to_a_client_that_reads_along(world: World) -> None:
    events: list[dict[str, Any]] = []
    writing = asyncio.create_task(world.write_for_a_while(writers=8, each=15))
    cursor, more = None, True
    while more or not writing.done():
        await world.sequence()
        read = await page(world, cursor, limit=random.randint(1, 20))
        cursor, more = read.cursor, bool(read.events)
        events += read.events
    await writing
    await world.sequence()
    events += (await page(world, cursor)).events
    counts = await world.counts()
    assert len(events) == sum(map(len, counts.values())) == 120
    for thing, wanted in counts.items():
        assert [n for key, n in numbers(events) if key == str(thing)] == wanted


async def test_gives_a_late_commit_to_who_has_read_further_already(world: World) -> None:
    early, late = some_ids(2)
    drawn, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        drawn.set()
        await release.wait()

    slow = asyncio.create_task(world.count(late, before_commit=hold))
    await drawn.wait()
    await world.count(early)
    await world.sequence()
    first = await page(world)
    release.set()
    await slow
    await world.sequence()
    second = await page(world, first.cursor)
    assert (numbers(first.events), numbers(second.events)) == ([(str(early), 1)], [(str(late), 1)])
    assert (await page(world, second.cursor)).events == []


async def test_is_a_cloudevent_of_the_tenant_alone(world: World) -> None:
    (thing,) = some_ids(1)
    await world.count(thing)
    await world.count(thing, tenant=a_tenant())
    await world.sequence()
    read = await page(world)
    (event,) = read.events
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "toy.counted", str(thing))
    assert (event["tenant"], event["time"], event["position"]) == (str(world.tenant), "2026-03-01T12:00:00Z", "1")
    assert not read.has_more


async def test_says_whether_there_is_more(world: World) -> None:
    await world.count(some_ids(1)[0], 3)
    await world.sequence()
    first = await page(world, limit=2)
    assert (len(first.events), first.has_more) == (2, True)
    second = await page(world, first.cursor, limit=2)
    assert (len(second.events), second.has_more) == (1, False)


@pytest.mark.parametrize("text", ["x", "AAAA", "é", "eJwDAAAAAAE", "'; drop table", "a" * 9_999])
async def test_refuses_a_cursor_that_it_did_not_give(world: World, text: str) -> None:
    with pytest.raises(FeedCursorUnreadable):
        await page(world, text)


async def test_refuses_a_cursor_from_before_a_restore(world: World) -> None:
    cursor = (await page(world)).cursor
    async with world.database.transaction(actor="test") as tx:
        await groups.begin_epoch(tx, with_cursors=True)
    with pytest.raises(FeedCursorOutdated):
        await page(world, cursor)
