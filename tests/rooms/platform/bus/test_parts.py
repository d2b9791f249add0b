"""Workers that each hear for a part of the groups."""

from tests.contracts.log_toys import World
from tests.rooms.platform.ground import some_ids


async def test_a_consumer_hears_only_its_groups_and_makes_all_of_them_known(world: World) -> None:
    reactions = [world.hearing("first"), world.hearing("second")]
    one, other = world.consumer(*reactions, only=["first"]), world.consumer(*reactions, only=["second"])
    await one.register()
    [thing] = some_ids(1)
    await world.count(thing, 3)
    await one.drain()
    assert await world.heard("first") == {thing: [1, 2, 3]}
    # Nobody was there for the second: what it has not heard is kept for it, and seen to be behind.
    assert await world.heard("second") == {}
    assert not await world.admin.fetchval("select bool_and(group_name = 'first') from platform.log_groups")
    await other.drain()
    await one.drain()
    assert await world.heard("second") == {thing: [1, 2, 3]}
    assert await world.heard("first") == {thing: [1, 2, 3]}
