"""Leases and fences: what a runner …"""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from guilder.platform.clock import HandClock
from guilder.platform.outside.intents import Done, Limits
from guilder.platform.outside.phases import LEASE_MARGIN_S, Phases
from guilder.platform.outside.runner import Runner
from tests.rooms.platform.ground import NOW
from tests.rooms.platform.outside.toys import World
from tests.support.processes import until


async def leased(phases):
    claims, _ = await phases.take("gateway:toy", 1)
    return await phases.load(claims)


async def test_repeats_with_the_same_key_what_a_crash_cut_off_and_the_zombie_records_nothing(world: World):
    (subject,) = await world.charge()
    performer = world.charging(steps=("prepare",))
    crashed = Phases(world.database, [performer], world.clocks)
    (ready,) = await leased(crashed)
    outcome = await performer.call(ready.intent, ready.request, now=NOW)
    # Here the process stood still. While its lease runs nobody takes it over ...
    runner = world.runner(performer)
    assert await runner.drain() == 0
    # ... and then somebody does.
    await world.make_due()
    assert await runner.drain() == 1
    assert world.provider.journal == [f"toy.charge:prepare:{subject}"] * 2
    assert len(world.provider.charged) == 1
    assert (await world.row())["fence"] == 2
    batches = list(performer.batches)
    late = Done(intent=ready.intent, request=ready.request, outcome=outcome)
    assert await crashed.record([late]) == []
    assert performer.batches == batches, "the zombie's outcome must not reach the room"
    assert await world.admin.fetchval("select recorded from toy.charges") == 1


async def test_leases_each_kind_for_as_long_as_its_own_call_may_take(world: World):
    """A crash delays a charge by a charge's time, whatever slower kinds the process knows."""
    await world.charge()
    charging = world.charging(limits=Limits(timeout_s=10))
    phases = Phases(
        world.database, [charging, world.charging(kind="toy.export", limits=Limits(timeout_s=900))], world.clocks
    )

    async def left_s():
        return await world.admin.fetchval(
            "select extract(epoch from due_at - clock_timestamp())::float8 from platform.intents where is_leased"
        )

    (ready,) = await leased(phases)
    assert 10 < await left_s() <= 10 + LEASE_MARGIN_S
    await world.admin.execute("update platform.intents set due_at = clock_timestamp()")
    (moved,) = await phases.record([Done(intent=ready.intent, request="", outcome="ok")])
    assert (moved.intent.step, moved.performer) == ("confirm", charging)
    assert 10 < await left_s() <= 10 + LEASE_MARGIN_S, "the next step has a lease of its own"


async def test_does_not_call_when_it_stood_still_for_longer_than_its_lease_allows(world: World):
    await world.charge()
    clock = HandClock(NOW)
    performer = world.charging()
    load = performer.load

    async def load_slowly(tx, intents, *, now):
        clock.move_by(timedelta(seconds=LEASE_MARGIN_S + 1))
        return await load(tx, intents, now=now)

    performer.load = load_slowly
    runner = Runner(world.database, [performer], world.clocks, clock=clock)
    assert await runner.step("gateway:toy") == 1
    assert world.provider.journal == []
    assert [lane.in_flight for lane in runner.lanes] == [0]
    row = await world.row()
    assert (row["state"], row["attempts"], row["is_leased"]) == ("waiting", 1, True), "its lease has to run out"


async def test_that_lost_its_lease_between_steps_leaves_the_rest_to_the_taker(world: World):
    """The zombie holds an intent that the taker has under lease right now, not yet done."""
    await world.charge()
    performer = world.charging()
    zombie, taker = (Phases(world.database, [performer], world.clocks) for _ in range(2))
    (old,) = await leased(zombie)
    await world.make_due()
    (new,) = await leased(taker)
    assert (old.intent.key, old.intent.fence + 1) == (new.intent.key, new.intent.fence)
    assert await zombie.record([Done(intent=old.intent, request="", outcome="ok")]) == []
    assert (await world.row())["at_step"] == "prepare"
    (moved,) = await taker.record([Done(intent=new.intent, request="", outcome="ok")])
    assert moved.intent.step == "confirm"
    assert (await world.row())["is_leased"]


async def test_resumes_at_the_step_where_a_crash_cut_it_off(world: World):
    (subject,) = await world.charge()
    performer = world.charging()
    crashed = Phases(world.database, [performer], world.clocks)
    (ready,) = await leased(crashed)
    await crashed.record([Done(intent=ready.intent, request="", outcome="ok")])
    await world.make_due()
    assert await world.runner(performer).drain() == 1
    assert world.provider.journal == [f"toy.charge:confirm:{subject}"]
    assert await world.statuses() == ["paid"]


async def test_gives_up_what_crashes_every_process_that_takes_it(world: World):
    await world.charge()
    performer = world.charging()
    phases = Phases(world.database, [performer], world.clocks)
    for _ in range(performer.limits.attempts_max):
        claims, _ = await phases.take("gateway:toy", 1)
        assert len(claims) == 1
        await world.make_due()
    await world.runner(performer).drain()
    row = await world.row()
    assert (row["state"], row["reason"]) == ("dead", "its lease ran out again and again")
    assert world.provider.journal == []


@asynccontextmanager
async def shut_out(world: World):
    """Have the database let nobody in, as while it is restarted; its superuser is let in everywhere."""
    name = await world.admin.fetchval("select current_database()")
    await world.admin.execute(f'alter database "{name}" connection limit 0')
    try:
        await world.admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and usename = 'guilder_login'"
        )
        yield
    finally:
        await world.admin.execute(f'alter database "{name}" connection limit -1')


async def test_calls_once_though_the_database_is_away_when_the_answer_comes(world: World):
    """What a mail server has taken it takes twice."""
    await world.charge()
    runner = world.runner(world.charging(steps=("prepare",)))
    world.provider.gate = asyncio.Event()
    stepping = asyncio.create_task(runner.step("gateway:toy"))
    await until(lambda: asyncio.sleep(0, world.provider.in_flight), what="the call")
    async with shut_out(world):
        world.provider.gate.set()
        await asyncio.sleep(1.5)
    await stepping
    await world.make_due()
    await runner.drain()
    assert len(world.provider.journal) == 1
    assert await world.statuses() == ["paid"]
