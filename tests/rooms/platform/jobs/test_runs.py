"""How far a run has come …"""

import asyncio
from datetime import timedelta

from guilder.platform.clock import WallClock
from guilder.platform.jobs import runs
from guilder.platform.jobs.runs import Looks, Run
from tests.rooms.platform.ground import NOW, a_tenant
from tests.rooms.platform.jobs.toys import World

HOUR = timedelta(hours=1)
JOB = "toy.bill_due"


async def look(world: World) -> None:
    await Looks(world.database, world.room.timetable.jobs, world.clock).look()


async def told(world: World, *tenants) -> dict[tuple[object, str], Run]:
    async with world.database.transaction(tenants or {world.tenant}, actor="test") as tx:
        return {(run.tenant_id, run.job): run for run in await runs.runs(tx)}


async def test_is_what_was_due_without_what_was_done_since_somebody_counted(world: World):
    await world.subscribe(130)
    await look(world)
    mine = (world.tenant, JOB)
    before = (await told(world))[mine]
    assert (before.done, before.left, before.began_at, before.seconds_left) == (0, 130, None, None)
    scheduler = world.scheduler()
    await scheduler.step(world.billing)
    amid = (await told(world))[mine]
    assert (amid.done, amid.left, amid.is_least) == (50, 80, False)
    assert amid.rate_per_s > 0
    assert amid.seconds_left is not None
    await scheduler.drain()
    after = (await told(world))[mine]
    assert (after.done, after.left, after.seconds_left) == (130, 0, 0)


async def test_is_told_of_each_tenant_and_of_no_other_to_a_tenant(world: World):
    other = a_tenant()
    await world.subscribe(20)
    await world.subscribe(7, tenant=other)
    await look(world)
    await world.scheduler().drain()
    found = await told(world, world.tenant, other)
    assert {tenant: run.done for (tenant, _), run in found.items()} == {world.tenant: 20, other: 7}
    assert {tenant for tenant, _ in await told(world, other)} == {other}


async def test_adds_up_with_several_schedulers_that_find_the_same_rows(world: World):
    await world.subscribe(400)
    nodes = [world.scheduler() for _ in range(3)]
    while sum(await asyncio.gather(*[node.step(world.billing) for node in nodes])):
        pass
    assert (await told(world))[(world.tenant, JOB)].done == 400


async def test_has_nothing_in_it_of_what_was_undone(world: World):
    """A batch that dies is noted no more than it is done; what is done of it later is noted then."""
    await world.subscribe(30)
    bill, reached = world.billing.run, asyncio.Event()

    async def dying(tx, refs, /, *, now):
        await bill(tx, refs, now=now)
        reached.set()
        await asyncio.sleep(60)

    world.room.bill = dying
    dead = asyncio.create_task(world.scheduler().step(world.billing))
    await reached.wait()
    dead.cancel()
    await asyncio.wait([dead])
    del world.room.bill
    assert await told(world) == {}
    await world.scheduler().drain()
    assert (await told(world))[(world.tenant, JOB)].done == 30


async def test_begins_anew_after_a_pause(world: World):
    await world.subscribe(10)
    await world.scheduler().drain()
    await world.admin.execute(
        "update platform.job_batches set began_at = began_at - interval '1 hour', ended_at = ended_at - interval '1 hour'"
    )
    earlier = (await told(world))[(world.tenant, JOB)]
    assert (earlier.done, earlier.rate_per_s) == (10, 0.0), "done, and not of late"
    await world.subscribe(60)
    await world.scheduler().drain()
    later = (await told(world))[(world.tenant, JOB)]
    assert later.done == 60
    assert later.began_at > earlier.last_at


async def test_says_how_many_rows_are_failing(world: World):
    subscriptions = await world.subscribe(12)
    world.room.poisoned = set(subscriptions[:3])
    await look(world)
    await world.scheduler().drain()
    run = (await told(world))[(world.tenant, JOB)]
    assert (run.done, run.left, run.failing) == (9, 3, 3)


async def test_is_not_told_by_a_count_that_is_old(world: World):
    await world.subscribe(5)
    await look(world)
    await world.admin.execute("update platform.job_looks set looked_at = looked_at - interval '10 minutes'")
    assert await told(world) == {}
    await look(world)
    assert (await told(world))[(world.tenant, JOB)].left == 5


async def test_says_that_it_is_the_least_where_counting_was_given_up(world: World, monkeypatch):
    monkeypatch.setattr(runs, "DUE_MAX", 40)
    await world.subscribe(60)
    await look(world)
    run = (await told(world))[(world.tenant, JOB)]
    assert (run.left, run.is_least) == (40, True)


async def test_is_counted_again_only_when_counting_has_rested(world: World):
    await world.subscribe(5)
    looks = Looks(world.database, world.room.timetable.jobs, WallClock())
    looks._rests_until = {JOB: WallClock().monotonic() + 3_600}
    await looks.look()
    assert await told(world) == {}


async def test_is_forgotten_in_time_and_the_last_day_of_it_never(world: World):
    await world.subscribe(10)
    await world.scheduler().drain()
    async with world.database.transaction(actor="test") as tx:
        assert await runs.forget(tx, before=NOW + timedelta(days=9_000), limit=10) == 0
    await world.admin.execute("update platform.job_batches set ended_at = ended_at - interval '3 days'")
    async with world.database.transaction(actor="test") as tx:
        assert await runs.forget(tx, before=NOW + timedelta(days=9_000), limit=10) == 1
    assert await told(world) == {}
