"""The pace of a destination …"""

import asyncio
from datetime import timedelta

import pytest

from guilder.platform.outside import pacing
from guilder.platform.outside.intents import CallFailed, Limits
from guilder.platform.outside.phases import Phases
from tests.rooms.platform.outside.toys import World

PLACE = "gateway:toy"
# So slow that the next second's worth is days away: what goes out is what the bucket holds, whoever draws, and whenever.
GLACIAL = 0.000_01
LIMITS = Limits(timeout_s=5, attempts_max=5, backoff_first_s=60, is_paced=True)


@pytest.fixture(autouse=True)
async def _no_paces(world: World):
    await world.admin.execute("delete from platform.paces")


def runner(world: World, *, steps: tuple[str, ...] = ("prepare",)):
    return world.runner(world.charging(limits=LIMITS, steps=steps))


async def set_pace(world: World, per_second: float | None):
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        return await pacing.set_pace(tx, tenant_id=world.tenant, destination=PLACE, per_second=per_second)


async def pace(world: World):
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        return await pacing.pace_of(tx, tenant_id=world.tenant, destination=PLACE)


async def fill(world: World, free: float) -> None:
    await world.admin.execute("update platform.paces set free = $1", free)


async def free(world: World) -> int:
    return round(await world.admin.fetchval("select free from platform.paces"))


async def test_is_kept_by_all_processes_together(world: World):
    await world.charge(6)
    await set_pace(world, GLACIAL)
    nodes = [runner(world) for _ in range(3)]
    assert sorted([await node.step(PLACE) for node in nodes]) == [0, 0, 1]
    assert [await node.step(PLACE) for node in nodes] == [0, 0, 0]
    assert len(world.provider.journal) == 1
    await set_pace(world, None)
    assert await nodes[0].drain() == 5


async def test_lets_out_what_has_come_in_since_and_no_more_than_a_seconds_worth(world: World):
    await world.charge(20)
    await set_pace(world, 4.0)
    await world.admin.execute("update platform.paces set free = 0, drawn_at = drawn_at - interval '1 hour'")
    assert await runner(world).step(PLACE) == 4


async def test_wakes_who_waits_for_it(world: World):
    """Nobody tells a lane that a second has gone by: it sets itself an alarm."""
    await world.charge(5)
    await set_pace(world, 20.0)
    await fill(world, 0)
    lane = runner(world)._lane(PLACE)
    lane.hint.clear()
    async with asyncio.timeout(60):
        while len(world.provider.journal) < 5:
            if await lane.fill() == 0:
                await lane.hint.wait()
                lane.hint.clear()
    await lane.settle()


async def test_is_not_drawn_for_what_was_not_there(world: World):
    await set_pace(world, GLACIAL)
    node = runner(world)
    assert [await node.step(PLACE) for _ in range(3)] == [0, 0, 0]
    await world.charge()
    assert await node.step(PLACE) == 1


async def test_is_given_back_for_what_was_taken_and_not_called(world: World):
    await world.charge()
    await set_pace(world, GLACIAL)
    phases = Phases(world.database, [world.charging(limits=LIMITS)], world.clocks)
    claims, _ = await phases.take(PLACE, 1)
    assert await free(world) == 0
    await phases.give_back(PLACE, claims)
    assert await free(world) == 1
    row = await world.row()
    assert (row["attempts"], row["is_leased"]) == (0, False)


async def test_is_paid_for_by_the_next_steps_that_go_out_at_once(world: World):
    await world.charge()
    await set_pace(world, GLACIAL)
    assert await runner(world, steps=("prepare", "confirm")).step(PLACE) == 1
    assert len(world.provider.journal) == 2
    assert await free(world) == -1


async def test_is_halved_and_pauses_when_the_provider_asks_to_be_spared(world: World):
    (first, *others) = await world.charge(4)
    await set_pace(world, 1_000.0)
    await world.admin.execute("update platform.paces set drawn_at = drawn_at - interval '1 hour'")
    world.provider.answers = {each: [CallFailed("too many requests", retry_after_s=60)] for each in (first, *others)}
    assert await runner(world).step(PLACE) == 4
    share = await world.admin.fetchval("select share from platform.paces")
    assert share == 0.5, "four that were refused at once were refused once"
    assert (await pace(world)).paused_until is not None
    await world.charge(2)
    assert await runner(world).step(PLACE) == 0
    await world.admin.execute("update platform.paces set paused_until = now()")
    assert await runner(world).step(PLACE) == 2


async def test_is_paused_though_none_was_set_and_comes_back(world: World):
    (subject,) = await world.charge()
    world.provider.answers = {subject: [CallFailed("too many requests", retry_after_s=60)]}
    assert await runner(world).step(PLACE) == 1
    await world.charge(3)
    assert await runner(world).step(PLACE) == 0
    await world.admin.execute("update platform.paces set paused_until = now(), drawn_at = drawn_at - interval '1 hour'")
    assert await runner(world).step(PLACE) == 3
    assert (await pace(world)).share == 1


async def test_of_a_destination_that_asks_for_hours_is_tried_again_within_a_minute(world: World):
    (subject,) = await world.charge()
    world.provider.answers = {subject: [CallFailed("closed", retry_after_s=7_200)]}
    await runner(world).step(PLACE)
    ends = await world.admin.fetchval("select paused_until - clock_timestamp() from platform.paces")
    assert ends <= timedelta(seconds=pacing.PAUSE_MAX_S)


async def test_is_nothing_to_destinations_that_many_tenants_share(world: World):
    (subject,) = await world.charge()
    world.provider.answers = {subject: [CallFailed("too many requests", retry_after_s=60)]}
    await world.runner(world.charging(limits=Limits(timeout_s=5, attempts_max=5), steps=("prepare",))).step(PLACE)
    assert await world.admin.fetchval("select count(*) from platform.paces") == 0
