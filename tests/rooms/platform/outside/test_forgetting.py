"""What has long been done is forgotten, however much of it there is."""

from typing import Any, cast

from guilder.platform.clock import WallClock
from guilder.platform.config import Settings
from guilder.wiring import timetable
from tests.rooms.platform.outside.toys import World


async def test_a_day_of_more_than_a_portion_is_forgotten_at_once(world: World, monkeypatch):
    """An hour later there would be as much again, and the table would grow for ever."""
    monkeypatch.setattr(timetable, "PURGE_MAX", 2)
    await forget_old(world, 5)
    assert await world.rows() == []


async def test_a_chore_ends_however_much_there_is(world: World, monkeypatch):
    monkeypatch.setattr(timetable, "PURGE_MAX", 1)
    monkeypatch.setattr(timetable, "PORTIONS_MAX", 3)
    await forget_old(world, 5)
    assert len(await world.rows()) == 2


async def forget_old(world: World, count: int) -> None:
    await world.charge(count)
    await world.runner(world.charging()).drain()
    await world.admin.execute("update platform.intents set changed_at = now() - interval '40 days'")
    chores = timetable.timetable(Settings(), WallClock(), cast("Any", None)).chores
    chore = next(each for each in chores if each.name == "outside.forget_intents")
    await chore.run(world.database)
