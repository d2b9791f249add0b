"""What a lane holds beyond its window, while its calls are quick …"""

import asyncio
from datetime import timedelta

from guilder.platform.clock import HandClock
from guilder.platform.outside.breaker import Breaker, BreakerLimits, State
from guilder.platform.outside.bulkhead import Lane, Width
from guilder.platform.outside.intents import Limits
from guilder.platform.outside.phases import Phases
from tests.rooms.platform.ground import NOW
from tests.rooms.platform.outside.toys import Stopwatch, World, no_answer

WINDOW, AHEAD = 4, 8


class Turnstile:
    """Lets through so many who wait."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(0)

    async def wait(self) -> None:
        await self._free.acquire()

    def let(self, count: int) -> None:
        for _ in range(count):
            self._free.release()


def a_runner(world: World, performer, **settings):
    settings.setdefault("clock", Stopwatch())
    return world.runner(performer, windows={"gateway": WINDOW}, ahead={"gateway": AHEAD}, **settings)


async def knowing_that_calls_are_quick(world: World, runner):
    await world.charge()
    await runner.drain()
    return runner


async def test_shares_transactions_and_is_called_by_turns(world: World):
    performer = world.charging()
    runner = await knowing_that_calls_are_quick(world, a_runner(world, performer))
    performer.batches.clear()
    await world.charge(WINDOW * AHEAD)
    assert await runner.step("gateway:toy") == WINDOW * AHEAD
    assert world.provider.in_flight_max == WINDOW
    assert await world.statuses() == ["paid"] * (1 + WINDOW * AHEAD)
    assert max(performer.batches) > WINDOW


async def test_is_nothing_before_it_is_known_how_long_calls_take(world: World):
    await world.charge(3 * WINDOW)
    assert await a_runner(world, world.charging()).step("gateway:toy") == WINDOW


async def test_is_nothing_where_calls_are_slow(world: World):
    clock = HandClock(NOW)
    runner = a_runner(world, world.charging(), clock=clock)
    take = world.provider.take

    async def take_slowly(key, subject_id):
        clock.move_by(timedelta(seconds=1))
        return await take(key, subject_id)

    world.provider.take = take_slowly
    await knowing_that_calls_are_quick(world, runner)
    await world.charge(WINDOW * AHEAD)
    # A second each: four windows' worth begin within four seconds.
    assert await runner.step("gateway:toy") == 4 * WINDOW


async def test_is_claimed_anew_when_half_of_it_has_gone(world: World):
    await world.charge(1 + 2 * WINDOW * AHEAD)
    phases = Phases(world.database, [world.charging(steps=("prepare",))], world.clocks)
    breaker = Breaker(BreakerLimits(), monotonic=Stopwatch().monotonic)
    lane = Lane(
        "gateway:toy",
        phases,
        clock=Stopwatch(),
        breaker=breaker,
        width=Width(WINDOW, AHEAD),
        room=lambda each: each.reach - each.in_flight,
        calls=asyncio.Semaphore(100),
    )
    assert await lane.fill() == WINDOW
    await lane.settle()
    world.provider.gate = gate = Turnstile()
    claimed = await lane.fill()
    assert claimed == WINDOW * AHEAD == lane.in_flight
    claimed_at: list[int] = []
    while not claimed_at:
        held = lane.in_flight
        claimed_at += [held] if await lane.fill() else []
        gate.let(1)
        await asyncio.sleep(0.02)
    assert claimed_at[0] <= WINDOW * AHEAD // 2
    gate.let(1_000)
    await lane.settle()


async def test_is_given_back_untried_when_the_destination_turns_out_to_be_down(world: World):
    limits = BreakerLimits(calls_min=WINDOW, open_first_s=20, open_max_s=20)
    performer = world.charging(limits=Limits(timeout_s=2, attempts_max=9, backoff_first_s=60))
    runner = await knowing_that_calls_are_quick(world, a_runner(world, performer, breaker_limits=limits))
    subjects = await world.charge(WINDOW * AHEAD)
    world.provider.answers = {subject: [no_answer()] for subject in subjects}
    calls_before = len(world.provider.journal)
    await runner.step("gateway:toy")
    called = len(world.provider.journal) - calls_before
    (lane,) = runner.lanes
    assert (lane.breaker, lane.in_flight) == (State.OPEN, 0)
    assert 0 < called < 2 * WINDOW
    due = await world.admin.fetch(
        "select attempts, is_leased from platform.intents where state = 'waiting' and due_at <= clock_timestamp()"
    )
    assert [tuple(row) for row in due] == [(0, False)] * (WINDOW * AHEAD - called), "nobody tried them, and anybody may"
