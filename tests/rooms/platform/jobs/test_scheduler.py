"""The scheduler …"""

import asyncio
import time
from datetime import timedelta

from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.clock import HandClock
from guilder.platform.db.database import Database
from guilder.platform.jobs import store
from guilder.platform.jobs.scheduler import Scheduler, failures
from guilder.platform.jobs.timetable import Chore, Timetable
from tests.rooms.platform.ground import NOW, a_tenant, database_of
from tests.rooms.platform.jobs.toys import World
from tests.support.database import DatabaseUrls
from tests.support.processes import until


async def test_does_what_is_due_and_nothing_else(world: World):
    (due,) = await world.subscribe(due_at=NOW)
    await world.subscribe(due_at=NOW + timedelta(seconds=1))
    assert await world.scheduler().step(world.billing) == 1
    assert await world.bills() == [(due, NOW)]
    assert await world.scheduler().step(world.billing) == 0


async def test_takes_a_batch_at_a_time_in_the_order_in_which_it_fell_due(world: World):
    late = await world.subscribe(50, due_at=NOW - timedelta(hours=2))
    await world.subscribe(20, due_at=NOW - timedelta(hours=1))
    scheduler = world.scheduler()
    assert await scheduler.step(world.billing) == 50
    assert {subscription for subscription, _ in await world.bills()} == set(late)
    assert await scheduler.drain() == 20


async def test_does_several_tenants_in_one_batch_and_leaves_sandboxes_to_their_own_clock(world: World):
    sandbox = await world.sandbox()
    for tenant in (world.tenant, a_tenant(), sandbox):
        await world.subscribe(tenant=tenant)
    assert await world.scheduler().drain() == 2
    assert world.room.runs == [2]
    assert await world.admin.fetchval("select count(*) from toy.bills where tenant_id = $1", sandbox) == 0


async def test_three_days_late_makes_the_same_bills_as_one_on_time(world: World):
    subscriptions = await world.subscribe(3) + await world.subscribe(2, due_at=NOW + timedelta(hours=7))
    for _ in range(9):
        await world.scheduler().drain()
        world.clock.move_by(timedelta(hours=12))
    on_time = await world.bills()
    await world.admin.execute("delete from toy.bills")
    for index, subscription in enumerate(subscriptions):
        due_at = NOW + (timedelta(hours=7) if index >= 3 else timedelta())
        await world.admin.execute("update toy.subscriptions set due_at = $2 where id = $1", subscription, due_at)
    world.clock = HandClock(NOW + timedelta(hours=96))
    await world.scheduler().drain()
    assert await world.bills() == on_time
    assert len(on_time) == 3 * 5 + 2 * 4


async def test_does_each_row_once_however_many_of_them_run(world: World):
    await world.subscribe(300)
    stop, nodes = asyncio.Event(), [world.scheduler() for _ in range(3)]
    running = [asyncio.create_task(node.run(stop)) for node in nodes]
    ends = time.monotonic() + 90
    while len(await world.bills()) < 300 and time.monotonic() < ends:
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*running)
    assert len(await world.bills()) == 300
    assert sum(world.room.runs) == 300


async def test_where_others_are_at_the_first_of_what_is_due_it_does_what_comes_after(world: World):
    await world.subscribe(50, due_at=NOW - timedelta(hours=1))
    free = await world.subscribe(150)
    scheduler = world.scheduler()
    async with world.admin.transaction():
        await world.admin.execute("select from toy.subscriptions where due_at < $1 for update", NOW)
        for _ in range(200):
            # Which part it takes is left to chance: of four, one is in other hands.
            await scheduler.step(world.billing)
            if len(await world.bills()) == 150:
                break
        assert sorted(each for each, _ in await world.bills()) == sorted(free)
    assert await scheduler.drain() == 50


async def test_does_batches_side_by_side_where_a_job_wants_it_and_one_that_fails_takes_no_other_with_it(world: World):
    subscriptions = await world.subscribe(130)
    world.room.poisoned = {subscriptions[60]}
    bill, begun, all_begun = world.billing.run, [], asyncio.Event()

    async def together(tx, refs, /, *, now):
        # None of the first three goes on before each of them has begun: one after another they would wait for ever.
        begun.append(len(refs))
        if len(begun) >= 3:
            all_begun.set()
        await all_begun.wait()
        return await bill(tx, refs, now=now)

    job = replace(world.billing, run=together, at_once=3)
    assert await asyncio.wait_for(world.scheduler().step(job), 60) == 129
    assert sorted(begun[:3]) == [30, 50, 50]
    assert len(await world.bills()) == 129
    assert await world.admin.fetchval("select count(*) from platform.job_failures") == 1


async def test_does_half_a_batch_at_a_time_while_somebody_else_needs_the_machine(world: World):
    await world.subscribe(130)
    needs_it = [True, False]

    async def gives_way():
        return needs_it.pop(0)

    scheduler, job = world.scheduler(gives_way=gives_way), replace(world.billing, at_once=3)
    assert [await scheduler.step(job) for _ in range(2)] == [25, 105]
    await world.subscribe(20)
    # Where half a batch holds all that is due, nobody is asked.
    assert (await scheduler.step(job), needs_it) == (20, [])


async def test_loses_nothing_when_it_dies_at_work(world: World):
    await world.subscribe(5)
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
    assert await world.bills() == []
    assert await world.scheduler().drain() == 5


async def test_pushes_a_failing_row_aside_and_does_all_others(world: World):
    subscriptions = await world.subscribe(40)
    world.room.poisoned = {subscriptions[7], subscriptions[8], subscriptions[33]}
    scheduler = world.scheduler()
    assert await scheduler.drain() == 37
    async with world.database.transaction({world.tenant}, actor="test") as tx:
        seen = (await failures(tx, page=PageQuery())).items
    assert {failure.row_id for failure in seen} == world.room.poisoned
    assert {(failure.job, failure.reason) for failure in seen} == {
        ("toy.bill_due", "RuntimeError: this one cannot be billed")
    }
    # Pushed aside: it is not even tried before its time.
    runs = len(world.room.runs)
    assert await scheduler.drain() == 0
    assert len(world.room.runs) == runs
    fresh = await world.subscribe(60)
    assert await scheduler.drain() == 60
    world.room.poisoned = set()
    await world.admin.execute("update platform.job_failures set retry_at = now()")
    assert await scheduler.drain() == 3
    assert len(await world.bills()) == 40 + len(fresh)
    assert await world.admin.fetchval("select count(*) from platform.job_failures") == 0


async def test_does_others_though_a_whole_batch_is_pushed_aside(world: World):
    job = replace(world.billing, batch_max=3)
    world.room.poisoned = set(await world.subscribe(job.batch_max, due_at=NOW - timedelta(days=1)))
    scheduler = world.scheduler()
    assert await scheduler.step(job) == 0
    await world.subscribe(2)
    assert await scheduler.step(job) == 2


async def test_waits_longer_for_a_row_each_time_it_fails(world: World):
    world.room.poisoned = set(await world.subscribe())
    scheduler, waits = world.scheduler(), []
    for _ in range(3):
        began = await world.admin.fetchval("select clock_timestamp()")
        await scheduler.step(world.billing)
        wait = "select retry_at - $1, retry_at - clock_timestamp() from platform.job_failures"
        # When between the two it was put off is not known: never too soon after the one, nor too late after the other.
        waits.append(tuple(each.total_seconds() for each in await world.admin.fetchrow(wait, began)))
        await world.admin.execute("update platform.job_failures set retry_at = now()")
    for said, (after_it_began, after_it_ended) in zip((5, 10, 20), waits, strict=True):
        assert after_it_ended <= said <= after_it_began, waits
    assert await world.admin.fetchval("select attempts from platform.job_failures") == 3


async def test_more_chores_than_connections_do_not_wait_for_each_other(world: World, jobs_urls: DatabaseUrls):
    done: set[str] = set()

    def chore(name: str) -> Chore:
        async def sweep(database: Database) -> None:
            async with database.transaction(actor="toy"):
                await asyncio.sleep(0.05)  # so that all of them have begun that begin at all
                done.add(name)

        return Chore(name=name, every_s=3600, run=sweep)

    chores = [chore(f"toy.sweep{number}") for number in range(6)]
    database, stop = await Database.connect(jobs_urls.app, size_max=4), asyncio.Event()
    running = asyncio.create_task(Scheduler(database, Timetable([], chores), clock=world.clock).run(stop))

    async def all_are_done() -> bool:
        return len(done) == len(chores)

    try:
        await until(all_are_done, timeout_s=60, what="all chores")
    finally:
        stop.set()
        await asyncio.wait([running], timeout=5)
        running.cancel()
        database.pool.terminate()
        database.aside.terminate()


async def test_lets_one_node_at_a_time_do_a_chore_and_not_again_too_soon(world: World):
    done, holding = [], asyncio.Event()

    async def sweep(_):
        done.append(1)
        await holding.wait()

    chore = Chore(name="toy.sweep", every_s=3600, run=sweep)
    first = asyncio.create_task(world.scheduler().do_chore(chore))
    while not done:
        await asyncio.sleep(0.01)
    assert await world.scheduler().do_chore(chore) is False
    holding.set()
    assert await first is True
    assert await world.scheduler().do_chore(chore) is False
    await world.admin.execute("update platform.chores set ran_at = now() - interval '2 hours'")
    assert await world.scheduler().do_chore(chore) is True
    assert len(done) == 2


async def test_a_chore_may_take_longer_than_the_server_lets_a_transaction_idle(world: World, jobs_urls: DatabaseUrls):
    """As deploy/aws sets it: five minutes, there."""
    name = await world.admin.fetchval("select current_database()")
    done = []

    async def sweep(_: Database) -> None:
        await asyncio.sleep(1)
        done.append(1)

    chore = Chore(name="toy.sweep", every_s=3600, run=sweep)
    try:
        for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            await world.admin.execute(f"alter database \"{name}\" set {setting} = '300ms'")
        async with database_of(jobs_urls) as database:
            scheduler = Scheduler(database, Timetable([], [chore]), clock=world.clock)
            assert [await scheduler.do_chore(chore) for _ in range(2)] == [True, False]
    finally:
        for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            await world.admin.execute(f'alter database "{name}" reset {setting}')
    assert done == [1]


async def test_reads_of_what_failed_only_what_is_the_job_s_own(world: World, monkeypatch):
    """A release that fails a hundred thousand renewals is not to make every other job slow."""
    await world.admin.execute(
        "insert into platform.job_failures (tenant_id, job, row_id, reason, retry_at) "
        "select $1, 'toy.others', gen_random_uuid(), 'broken', now() + interval '1 hour' from generate_series(1, 50)",
        world.tenant,
    )
    read, failures_of = [], store.failures

    async def spy(*of, **about):
        found = await failures_of(*of, **about)
        read.extend(ref for rows in found.values() for ref in rows)
        return found

    monkeypatch.setattr(store, "failures", spy)
    await world.subscribe(3)
    assert await world.scheduler().step(world.billing) == 3
    assert read == []
