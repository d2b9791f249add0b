"""The time machine …"""

import asyncio
import time
from datetime import timedelta

from guilder.kernel import ids
from guilder.platform.jobs import store
from guilder.platform.jobs.sandboxes import Pace
from tests.rooms.platform.ground import NOW
from tests.rooms.platform.jobs.toys import DAY, World

HOUR = timedelta(hours=1)


async def hands(world: World, tenant):
    return await world.admin.fetchrow(
        "select now_at, target_at, halted from toy.sandboxes where tenant_id = $1", tenant
    )


async def test_goes_from_one_due_instant_to_the_next_and_then_to_the_target(world: World):
    tenant = await world.sandbox(target=NOW + 3 * DAY + HOUR)
    await world.subscribe(due_at=NOW + DAY, tenant=tenant)
    await world.remind(due_at=NOW + 2 * DAY + HOUR, tenant=tenant)
    machine, seen = world.machine(), []
    while True:
        progress = await machine.step(tenant)
        seen.append((progress.pace, progress.now - NOW))
        if progress.pace is Pace.ARRIVED:
            break
    moved, worked = Pace.MOVED, Pace.WORKING
    assert seen == [
        *[(moved, DAY), (worked, DAY), (moved, 2 * DAY), (worked, 2 * DAY)],
        *[(moved, 2 * DAY + HOUR), (worked, 2 * DAY + HOUR), (moved, 3 * DAY), (worked, 3 * DAY)],
        (Pace.ARRIVED, 3 * DAY + HOUR),
    ]
    assert world.room.story == [
        ("bill", NOW + DAY),
        ("bill", NOW + 2 * DAY),
        ("remind", NOW + 2 * DAY + HOUR),
        ("bill", NOW + 3 * DAY),
    ]
    assert tuple(await hands(world, tenant)) == (NOW + 3 * DAY + HOUR, None, None)
    made = await world.admin.fetch("select dated, made_at from toy.bills")
    assert all(row["dated"] == row["made_at"] for row in made), "each is made when it fell due"


async def test_does_what_fell_due_first_first_though_all_of_it_is_late(world: World):
    tenant = await world.sandbox()
    await world.remind(due_at=NOW - 2 * HOUR, tenant=tenant)
    await world.subscribe(due_at=NOW - 3 * HOUR, tenant=tenant)
    await world.remind(due_at=NOW - 4 * HOUR, tenant=tenant)
    assert (await world.machine().arrive(tenant)).pace is Pace.STANDING
    assert [what for what, _ in world.room.story] == ["remind", "bill", "remind"]
    assert [at for _, at in world.room.story] == sorted(at for _, at in world.room.story)


async def test_moves_nothing_while_something_is_under_way(world: World):
    tenant = await world.sandbox(target=NOW + DAY)
    await world.admin.execute("insert into toy.waiting values ($1, $2)", tenant, ids.new(NOW))
    progress = await world.machine().step(tenant)
    assert (progress.pace, progress.pending, progress.now) == (Pace.DRAINING, {"waiting": 1}, NOW)
    drained = []

    async def drain():
        drained.append(await world.admin.execute("delete from toy.waiting"))

    assert (await world.machine().arrive(tenant, between=drain)).pace is Pace.ARRIVED
    assert len(drained) == 1


async def test_does_not_arrive_before_what_another_node_did_between_its_two_looks(world: World, monkeypatch):
    """What is under way is looked at, then what is due: work that commits in between is neither, unless one looks again."""
    tenant = await world.sandbox(target=NOW + HOUR)
    [subscription] = await world.subscribe(due_at=NOW, tenant=tenant)
    machine, look = world.machine(), store.due

    async def due_after_another_node_was_done(*asked, **about):
        async with world.admin.transaction():
            await world.admin.execute("update toy.subscriptions set due_at = null where id = $1", subscription)
            await world.admin.execute("insert into toy.waiting values ($1, $2)", tenant, ids.new(NOW))
        monkeypatch.setattr(store, "due", look)
        return await look(*asked, **about)

    monkeypatch.setattr(store, "due", due_after_another_node_was_done)
    progress = await machine.step(tenant)
    assert (progress.pace, progress.pending, progress.now) == (Pace.DRAINING, {"waiting": 1}, NOW)


async def test_lets_what_a_job_caused_settle_before_the_next_instant(world: World):
    tenant = await world.sandbox(target=NOW + 3 * DAY)
    await world.subscribe(due_at=NOW + DAY, tenant=tenant)
    bill = world.room.bill

    async def bill_and_ask(tx, refs, /, *, now):
        done = await bill(tx, refs, now=now)
        await tx.execute("insert into toy.waiting values ($1, $2)", tenant, ids.new(now))
        return done

    world.room.bill = bill_and_ask

    async def answer():
        world.room.story.append(("answered", (await hands(world, tenant))["now_at"]))
        await world.admin.execute("delete from toy.waiting")

    await world.machine().arrive(tenant, between=answer)
    days = [NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY]
    assert world.room.story == [(what, day) for day in days for what in ("bill", "answered")]


async def test_never_takes_a_clock_back(world: World):
    tenant = await world.sandbox(target=NOW - DAY)
    assert (await world.machine().arrive(tenant)).pace is Pace.ARRIVED
    assert (await hands(world, tenant))["now_at"] == NOW


async def test_does_what_is_due_in_a_sandbox_that_stands(world: World):
    tenant = await world.sandbox()
    await world.subscribe(tenant=tenant)
    assert (await world.machine().arrive(tenant)).pace is Pace.STANDING
    assert len(await world.bills()) == 1
    assert (await hands(world, tenant))["now_at"] == NOW


async def test_does_not_wait_for_a_failed_row_where_the_clock_stands_anyway(world: World):
    tenant = await world.sandbox()
    bad, good = await world.subscribe(2, tenant=tenant)
    world.room.poisoned = {bad}
    assert (await world.machine().arrive(tenant)).pace is Pace.STANDING
    assert await world.bills() == [(good, NOW)]


async def test_stops_at_a_row_that_is_found_due_for_ever(world: World):
    tenant = await world.sandbox(target=NOW + DAY)
    (row,) = await world.subscribe(tenant=tenant)
    world.room.stubborn = {row}
    progress = await world.machine(repeats_max=20).arrive(tenant)
    assert (progress.pace, progress.reason) == (Pace.HALTED, f"toy.bill_due finds {row} due again and again")
    assert tuple(await hands(world, tenant)) == (NOW, None, progress.reason)


async def test_stops_at_a_row_that_keeps_failing_and_goes_on_when_it_is_mended(world: World):
    tenant = await world.sandbox(target=NOW + 2 * DAY)
    good, bad = await world.subscribe(2, due_at=NOW + DAY, tenant=tenant)
    world.room.poisoned = {bad}

    async def hurry():
        await world.admin.execute("update platform.job_failures set retry_at = now()")

    progress = await world.machine().arrive(tenant, between=hurry)
    assert (progress.pace, progress.now) == (Pace.HALTED, NOW + DAY)
    assert progress.reason == f"{bad} failed: RuntimeError: this one cannot be billed"
    assert await world.bills() == [(good, NOW + DAY)]
    world.room.poisoned = set()
    await world.admin.execute("update toy.sandboxes set target_at = $1", NOW + 2 * DAY)
    assert (await world.machine().arrive(tenant, between=hurry)).pace is Pace.ARRIVED
    assert sorted(await world.bills()) == sorted((each, NOW + n * DAY) for each in (good, bad) for n in (1, 2))


async def test_waits_for_a_sandbox_that_another_node_has(world: World):
    tenant = await world.sandbox(target=NOW + DAY)
    async with world.admin.transaction():
        await world.admin.execute("select 1 from toy.sandboxes for update")
        assert (await world.machine().step(tenant)).pace is Pace.BUSY
    assert (await world.machine().step(tenant)).pace is Pace.ARRIVED


async def test_takes_many_sandboxes_through_a_month_on_two_nodes_at_once(world: World):
    tenants = [await world.sandbox(target=NOW + 30 * DAY) for _ in range(6)]
    for tenant in tenants:
        await world.subscribe(2, due_at=NOW + DAY, tenant=tenant)
    stop = asyncio.Event()
    running = [asyncio.create_task(world.machine().run(stop)) for _ in range(2)]
    ends = time.monotonic() + 40
    while time.monotonic() < ends:
        if not await world.admin.fetchval("select count(*) from toy.sandboxes where target_at is not null"):
            break
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*running)
    assert await world.admin.fetchval("select count(*) from toy.sandboxes where now_at = $1", NOW + 30 * DAY) == 6
    assert len(await world.bills()) == 6 * 2 * 30
    assert await world.admin.fetchval("select count(*) from toy.bills where dated <> made_at") == 0


async def test_of_many_that_stand_only_those_with_something_due_are_gone_to(world: World, monkeypatch):
    """Sandboxes are founded and left: what stands and has nothing due costs a part of one question."""
    standing = [await world.sandbox() for _ in range(5)]
    later, due = standing[1], standing[3]
    await world.subscribe(due_at=NOW + HOUR, tenant=later)
    await world.subscribe(due_at=NOW, tenant=due)
    machine, stop, gone_to = world.machine(), asyncio.Event(), set()
    step = machine.step

    async def noted(tenant):
        gone_to.add(tenant)
        return await step(tenant)

    monkeypatch.setattr(machine, "step", noted)
    running = asyncio.create_task(machine.run(stop))
    async with asyncio.timeout(40):
        while not await world.billed(due):
            await asyncio.sleep(0.02)
    stop.set()
    await running
    assert gone_to == {due}
    assert await world.billed(later) == 0
