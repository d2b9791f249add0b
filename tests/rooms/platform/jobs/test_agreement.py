"""A scheduler whose machine does not know what time it is does nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from guilder.platform.clock import WallClock
from guilder.platform.db.database import Database
from guilder.platform.jobs.agreement import Agreement
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Chore, Timetable
from tests.rooms.platform.jobs.toys import World
from tests.support.processes import until


class Jumping(WallClock):
    """The wall's clock, and so far ahead of it."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.mark.parametrize("days", [32, -32])
async def test_a_clock_that_jumps_bills_nobody_early_and_forgets_nothing(world: World, days: int):
    clock, swept = Jumping(timedelta()), []

    async def sweep(_: Database) -> None:
        swept.append(clock.ahead)

    (due,) = await world.subscribe(due_at=datetime.now(UTC) - timedelta(seconds=5))
    (to_come,) = await world.subscribe(due_at=datetime.now(UTC) + timedelta(days=1))
    agreement = Agreement(world.database, clock)
    assert not await agreement.is_off()
    clock.ahead = timedelta(days=days)
    table = Timetable(world.room.timetable.jobs, [Chore(name="toy.sweep", every_s=0.1, run=sweep)])
    stop = asyncio.Event()
    running = asyncio.create_task(Scheduler(world.database, table, clock=clock, is_off=agreement.is_off).run(stop))
    await asyncio.sleep(1)
    assert (await world.bills(), swept) == ([], [])
    clock.ahead = timedelta()

    async def billed() -> bool:
        return bool(await world.bills() and swept)

    await until(billed, timeout_s=30, what="the bill of what is due, and the chore")
    stop.set()
    await running
    assert {subscription for subscription, _ in await world.bills()} == {due}
    assert to_come != due


async def test_machines_that_are_seconds_apart_agree(world: World):
    assert not await Agreement(world.database, Jumping(timedelta(seconds=90))).is_off()
