"""The runner …"""

import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from guilder.platform.clock import WallClock
from guilder.platform.outside import bulkhead
from guilder.platform.outside.breaker import BreakerLimits, State
from guilder.platform.outside.intents import CallFailed, Limits
from tests.rooms.platform.ground import NOW, a_tenant
from tests.rooms.platform.outside.toys import Stopwatch, World, WrittenJournal, no_answer

ROOT = Path(__file__).parents[4]


async def until(what, within_s=60.0):
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if await what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def test_goes_on_with_the_next_step_at_once_after_committing_the_last(world: World):
    (subject,) = await world.charge()
    assert await world.runner(world.charging()).step("gateway:toy") == 1
    assert world.provider.journal == [f"toy.charge:prepare:{subject}", f"toy.charge:confirm:{subject}"]
    row = await world.row()
    assert (row["state"], row["at_step"], row["fence"]) == ("done", "confirm", 1)
    assert await world.statuses() == ["paid"]


async def test_charges_once_though_it_is_killed_after_the_charge_and_before_the_record(world: World):
    """A1: a real process, a real kill -9, the charge known to the provider alone."""
    (subject,) = await world.charge()
    code = (
        "import asyncio; from tests.rooms.platform.outside.toys import run_until_killed;"
        f"asyncio.run(run_until_killed({world.database.url!r}))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)

    async def is_charged():
        return await world.admin.fetchval("select count(*) from toy.journal") == 1

    await until(is_charged, within_s=30)
    process.kill()
    await process.wait()
    assert await world.statuses() == ["created"]
    await world.make_due()
    answering = world.charging()
    answering.provider = WrittenJournal(world.database, answers=True)
    assert await world.runner(answering).drain() == 1
    keys = [row["key"] for row in await world.admin.fetch("select key from toy.journal order by at")]
    prepare, confirm = f"toy.charge:prepare:{subject}", f"toy.charge:confirm:{subject}"
    assert keys == [prepare, prepare, confirm]
    assert await world.statuses() == ["paid"]


@pytest.mark.shows("ASVS 15.2.2", "ASVS 16.5.2", "fault D10")
async def test_lets_a_slow_destination_delay_nobody_else(world: World):
    performer = world.charging(limits=Limits(timeout_s=30))
    slow = set(await world.charge(40, destination="gateway:slow"))
    fast = await world.charge(40, destination="gateway:fast")
    take, held = world.provider.take, asyncio.Event()

    async def sometimes_slow(key, subject_id):
        if subject_id in slow:
            await held.wait()
        return await take(key, subject_id)

    world.provider.take = sometimes_slow
    stop = asyncio.Event()
    runner = world.runner(performer, windows={"gateway:slow": 3})
    running = asyncio.create_task(runner.run(stop))

    async def fast_ones_are_paid():
        sql = "select count(*) from toy.charges where status = 'paid' and id = any ($1)"
        return await world.admin.fetchval(sql, fast) == len(fast)

    async def only_slow_ones_are_under_way():
        return {lane.destination: lane.in_flight for lane in runner.lanes} == {"gateway:slow": 3, "gateway:fast": 0}

    await until(fast_ones_are_paid)
    await until(only_slow_ones_are_under_way)  # what is recorded is let go of a moment later
    assert await world.admin.fetchval("select count(*) from platform.intents where is_leased") == 3
    held.set()

    async def all_are_paid():
        return await world.statuses() == ["paid"] * 80

    await until(all_are_paid)
    stop.set()
    await running


@pytest.mark.shows("ASVS 15.2.2", "ASVS 13.2.6")
async def test_a_family_that_hangs_leaves_room_for_others(world: World):
    performer = world.charging(limits=Limits(timeout_s=30))
    hanging = {each for n in range(6) for each in await world.charge(4, destination=f"hook:{n}")}
    fine = await world.charge(10, destination="gateway:fine")
    take, held = world.provider.take, asyncio.Event()

    async def sometimes_held(key, subject_id):
        if subject_id in hanging:
            await held.wait()
        return await take(key, subject_id)

    world.provider.take = sometimes_held
    stop = asyncio.Event()
    runner = world.runner(performer, ceilings={"hook": 5})
    running = asyncio.create_task(runner.run(stop))

    async def fine_ones_are_paid():
        sql = "select count(*) from toy.charges where status = 'paid' and id = any ($1)"
        return await world.admin.fetchval(sql, fine) == len(fine)

    async def five_hang():
        return sum(lane.in_flight for lane in runner.lanes if lane.destination.startswith("hook:")) == 5

    await until(fine_ones_are_paid)
    await until(five_hang)
    held.set()

    async def all_are_paid():
        return await world.statuses() == ["paid"] * 34

    await until(all_are_paid)
    stop.set()
    await running


@pytest.mark.shows("ASVS 13.1.2", "ASVS 13.2.6")
async def test_calls_no_more_at_once_than_the_window(world: World):
    await world.charge(30)
    await world.runner(world.charging(), windows={"gateway": 4}).drain()
    assert world.provider.in_flight_max <= 4
    assert await world.statuses() == ["paid"] * 30


async def test_records_together_what_comes_back_together(world: World):
    await world.charge(60)
    performer = world.charging(steps=("prepare",))
    await world.runner(performer, windows={"gateway": 60}).step("gateway:toy")
    assert sum(performer.batches) == 60
    assert len(performer.batches) <= 4


async def test_does_not_let_a_lone_outcome_wait(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulkhead, "GATHER_S", 60)
    performer = world.charging(steps=("prepare",))
    runner = world.runner(performer)
    await runner.drain()
    await world.charge()
    began = time.monotonic()
    assert await runner.step("gateway:toy") == 1
    assert time.monotonic() - began < 30


@pytest.mark.shows("ASVS 13.1.3", "fault D10")
async def test_times_a_call_out_and_calls_it_no_answer(world: World):
    await world.charge()
    world.provider.gate = asyncio.Event()
    await world.runner(world.charging(limits=Limits(timeout_s=0.1))).drain()
    row = await world.row()
    assert (row["state"], row["reason"], row["is_leased"]) == ("waiting", "no answer within 0.1 s", False)
    assert await world.statuses() == ["unknown"]


async def test_waits_as_long_as_it_was_asked_to(world: World):
    (subject,) = await world.charge()
    world.provider.answers[subject] = [no_answer(retry_after_s=1800)]
    await world.runner(world.charging()).drain()
    wait = (await world.row())["due_at"] - WallClock().now()
    assert timedelta(seconds=1700) < wait <= timedelta(seconds=1800)


async def test_backs_off_longer_each_time(world: World):
    (subject,) = await world.charge()
    world.provider.answers[subject] = [no_answer(), no_answer()]
    runner, waits = world.runner(world.charging(limits=Limits(backoff_first_s=100))), []
    for _ in range(2):
        await world.make_due()
        began = WallClock().now()
        await runner.drain()
        due_at, ended = (await world.row())["due_at"], WallClock().now()
        # When between the two it was put off is not known: never too soon after the one, nor too late after the other.
        waits.append(((due_at - began).total_seconds(), (due_at - ended).total_seconds()))
    (first, first_at_least), (second, second_at_least) = waits
    assert (first >= 50, first_at_least <= 100) == (True, True), waits
    assert (second >= 100, second_at_least <= 200) == (True, True), waits


async def test_does_not_count_waiting_for_an_answer_as_an_attempt(world: World):
    (subject,) = await world.charge()
    world.provider.answers[subject] = ["pending"] * 10
    assert await world.runner(world.charging()).drain() == 11
    assert await world.statuses() == ["paid"]


async def test_finishes_without_a_call_what_has_nothing_to_do_any_more(world: World):
    await world.charge()
    await world.admin.execute("update toy.charges set status = 'paid'")
    await world.runner(world.charging()).drain()
    assert world.provider.journal == []
    assert (await world.row())["state"] == "done"


@pytest.mark.parametrize("fault", ["poisoned", "unrecordable"])
async def test_lets_one_intent_at_fault_stop_no_other(world: World, fault: str):
    subjects = await world.charge(9)
    performer = world.charging()
    getattr(performer, fault).add(subjects[4])
    await world.runner(performer).drain()
    assert await world.statuses() == ["paid"] * 4 + ["created"] + ["paid"] * 4
    (bad,) = [row for row in await world.rows() if row["state"] == "waiting"]
    assert (bad["subject_id"], bad["is_leased"]) == (subjects[4], False)
    assert bad["reason"].startswith("RuntimeError: cannot be")
    getattr(performer, fault).clear()
    await world.make_due()
    await world.runner(performer).drain()
    assert await world.statuses() == ["paid"] * 9
    assert len(world.provider.charged) == 18


async def test_gives_a_sandbox_a_batch_of_its_own_on_its_own_time(world: World):
    sandbox, other = a_tenant(), a_tenant()
    world.clocks.own[sandbox] = NOW + timedelta(days=900)
    for tenant in (world.tenant, sandbox, other):
        await world.charge(tenant=tenant)
    performer = world.charging(steps=("prepare",))
    await world.runner(performer).drain()
    assert sorted(performer.seen, key=lambda each: each[1]) == [
        (frozenset({world.tenant, other}), NOW),
        (frozenset({sandbox}), NOW + timedelta(days=900)),
    ]
    assert await world.statuses() == ["paid"] * 3


@pytest.mark.shows("fault D10")
async def test_refuses_to_call_with_a_transaction_open(world: World):
    await world.charge()
    runner = world.runner(world.charging())
    with pytest.raises(AssertionError, match="with a transaction open"):
        async with world.database.transaction(actor="test"):
            await runner.step("gateway:toy")
    assert world.provider.journal == []


async def test_makes_each_call_once_however_many_runners_there_are(world: World):
    await world.charge(200)
    performer = world.charging(steps=("prepare",))
    runners = [world.runner(performer, windows={"gateway": 20}) for _ in range(4)]
    await asyncio.gather(*[runner.drain() for runner in runners])
    assert len(world.provider.journal) == 200
    assert await world.admin.fetchval("select count(*) from toy.charges where recorded = 1") == 200


async def test_is_woken_by_a_commit_and_need_not_look(world: World):
    stop = asyncio.Event()
    running = asyncio.create_task(world.runner(world.charging(), poll_s=60).run(stop))
    await asyncio.sleep(0.3)
    await world.charge()

    async def is_paid():
        return await world.statuses() == ["paid"]

    await until(is_paid, within_s=30)
    stop.set()
    await running


async def test_finishes_what_is_under_way_when_it_is_stopped(world: World):
    await world.charge()
    world.provider.gate, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(world.runner(world.charging(steps=("prepare",))).run(stop))

    async def is_out():
        return world.provider.in_flight == 1

    await until(is_out)
    stop.set()
    await asyncio.sleep(0.05)
    world.provider.gate.set()
    await running
    assert await world.statuses() == ["paid"]


@pytest.mark.shows("ASVS 16.5.2")
async def test_leaves_a_destination_that_is_down_alone_and_then_sends_one_probe(world: World):
    subjects = await world.charge(12)
    for subject in subjects:
        world.provider.answers[subject] = [no_answer()] * 2
    limits, watch = BreakerLimits(calls_min=4, open_first_s=20, open_max_s=20), Stopwatch()
    performer = world.charging(limits=Limits(timeout_s=2, attempts_max=9, backoff_first_s=0.01))
    runner = world.runner(performer, windows={"gateway": 4}, breaker_limits=limits, clock=watch)
    await runner.step("gateway:toy")
    (lane,) = runner.lanes
    assert (lane.breaker, lane.in_flight) == (State.OPEN, 0)
    # Open: nobody calls, and nobody's attempts are counted.
    assert await runner.drain() == 0
    assert sum(row["attempts"] for row in await world.rows()) == len(world.provider.journal) == 4
    watch.seconds += 35
    assert runner.lanes[0].breaker is State.HALF_OPEN
    assert await runner.step("gateway:toy") == 1
    assert runner.lanes[0].breaker is State.OPEN
    world.provider.answers.clear()
    watch.seconds += 35
    assert await runner.step("gateway:toy") == 1
    assert runner.lanes[0].breaker is State.CLOSED
    await world.make_due()
    await runner.drain()
    assert await world.statuses() == ["paid"] * 12


async def test_does_not_blame_the_destination_for_what_it_did_answer(world: World):
    subjects = await world.charge(6)
    for subject in subjects:
        world.provider.answers[subject] = [CallFailed("refused", is_outage=False)]
    runner = world.runner(world.charging(), breaker_limits=BreakerLimits(calls_min=2))
    await runner.drain()
    assert runner.lanes[0].breaker is State.CLOSED
