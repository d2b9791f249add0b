"""Why a cursor is a position: readers that go by a number drawn before the commit pass late commits by."""

import asyncio

from tests.contracts.log_toys import World
from tests.rooms.platform.ground import some_ids


async def test_a_reader_that_remembers_the_last_id_loses_a_late_commit(world: World) -> None:
    early, late = some_ids(2)
    drawn, release = asyncio.Event(), asyncio.Event()
    last, naive = 0, []

    async def read_beyond_last() -> None:
        nonlocal last
        for row in await world.admin.fetch("select id, key from platform.log where id > $1 order by id", last):
            last = row["id"]
            naive.append(row["key"])

    async def hold() -> None:
        drawn.set()
        await release.wait()

    slow = asyncio.create_task(world.count(late, before_commit=hold))
    await drawn.wait()
    await world.count(early)
    await read_beyond_last()
    release.set()
    await slow
    await read_beyond_last()
    await world.consumer().drain()
    assert naive == [early], "the mutant must lose the late one, or this test shows nothing"
    assert set(await world.heard()) == {early, late}


async def test_a_cursor_moved_without_its_guard_lets_a_zombie_undo_what_was_done(world: World) -> None:
    """The mutant of the guarded update: with `position = old` taken out, this is what a late committer does."""
    (thing,) = some_ids(1)
    await world.count(thing, 2)
    consumer = world.consumer(batch_max=1)
    await consumer.drain()
    await world.admin.execute("update platform.log_cursors set position = 1 where position = 2")
    await consumer.drain()
    assert await world.heard() == {thing: [1, 2, 2]}
