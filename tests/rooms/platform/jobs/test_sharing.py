"""A batch that not everything fits into …"""

import asyncio
from datetime import timedelta

from guilder.kernel.noun import replace
from guilder.platform.jobs.sharing import Rounds
from tests.rooms.platform.ground import NOW, a_tenant
from tests.rooms.platform.jobs.toys import World

HOUR = timedelta(hours=1)


async def test_has_the_ten_of_a_small_tenant_in_it_though_ten_thousand_of_another_fell_due_before(world: World):
    await world.subscribe(10_000, due_at=NOW - HOUR)
    small = a_tenant()
    await world.subscribe(10, tenant=small)
    scheduler = world.scheduler()
    assert await scheduler.step(world.billing) == 50
    assert await world.billed(small) == 10
    assert await world.billed(world.tenant) == 40


async def test_is_shared_between_all_that_have_something_due_and_what_one_leaves_is_the_others(world: World):
    await world.subscribe(500, due_at=NOW - 3 * HOUR)
    few, many = a_tenant(), a_tenant()
    await world.subscribe(4, due_at=NOW - HOUR, tenant=few)
    await world.subscribe(500, tenant=many)
    await world.scheduler().step(world.billing)
    billed = [await world.billed(each) for each in (few, world.tenant, many)]
    assert billed == [4, 29, 17], "a third each, and what the few left to who waited longest"


async def test_is_done_once_each_by_several_schedulers(world: World):
    await world.subscribe(400, due_at=NOW - HOUR)
    small = a_tenant()
    await world.subscribe(10, tenant=small)
    nodes = [world.scheduler() for _ in range(3)]
    await asyncio.gather(*[node.step(world.billing) for node in nodes])
    assert await world.billed(small) == 10
    while sum(await asyncio.gather(*[node.step(world.billing) for node in nodes])):
        pass
    assert len(await world.bills()) == 410
    assert sum(world.room.runs) == 410


async def test_takes_no_share_from_a_tenant_for_what_failed_before(world: World):
    """Rows that are pushed aside stay due, and are the first of their tenant's."""
    await world.subscribe(500, due_at=NOW - 3 * HOUR)
    broken = a_tenant()
    world.room.poisoned = set(await world.subscribe(40, due_at=NOW - 2 * HOUR, tenant=broken))
    scheduler = world.scheduler()
    while await world.admin.fetchval("select count(*) from platform.job_failures") < 40:
        await scheduler.step(world.billing)
    await world.subscribe(500, due_at=NOW - 3 * HOUR)
    await world.subscribe(20, tenant=broken)
    assert await scheduler.step(world.billing) == 50
    assert await world.billed(broken) == 20


async def test_goes_round_where_there_are_more_tenants_than_it_looks_at(world: World):
    await world.subscribe(1_000, due_at=NOW - HOUR)
    small = [a_tenant() for _ in range(7)]
    for tenant in small:
        await world.subscribe(2, tenant=tenant)
    scheduler = world.scheduler()
    scheduler._rounds = Rounds("toy.tenants", a_look=3)
    for _ in range(3):
        await scheduler.step(world.billing)
    assert [await world.billed(each) for each in small] == [2] * 7
    assert await world.billed(world.tenant) == 3 * 50 - 14


async def test_is_taken_by_time_alone_where_the_job_is_not_shared(world: World):
    await world.subscribe(60, due_at=NOW - HOUR)
    small = a_tenant()
    await world.subscribe(10, tenant=small)
    await world.scheduler().step(replace(world.billing, is_shared=False))
    assert await world.billed(small) == 0


async def test_asks_for_no_shares_where_one_tenant_is_all_there_is(world: World):
    await world.subscribe(60)
    asked = []
    scheduler = world.scheduler()
    look = Rounds.look

    class Listening(Rounds):
        async def look(self, *args, **about):
            asked.append(await look(self, *args, **about))
            return asked[-1]

    scheduler._rounds = Listening("toy.tenants")
    assert [await scheduler.step(world.billing) for _ in range(3)] == [50, 10, 0]
    assert asked == [[]]
