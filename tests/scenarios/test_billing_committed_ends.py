"""A minimum commitment where a part of a period ends: what of the fee is given back with the end does not count for it."""

import pytest

from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story, bills
from tests.support.outcomes import rest
from tests.support.worst_day import counter_of


async def committed(world, parent=None, **billing):
    """30.00 in advance, 100.00 committed; 1.00 is used by 16 June, when half of both is over."""
    await world.meter()
    said = {"commitments": [{"amount": 10000, "currency": "EUR"}], "unused_on_cancel": "credit", **billing}
    await world.plan("pro", amount=3000, billing=said, charges=[calls(each("10"))], is_add_on=parent is not None)
    s = await (world.subscribe(parent_id=parent["id"]) if parent else world.subscriber())
    await rest(world)
    await world.use("june", 10)
    return s


HALF = [("proration_credit", -1500), ("usage", 100), ("commitment", 3400)]


def last(made):
    return [row[:2] for row in made[-1].lines]


async def test_what_an_end_gives_back_is_made_up_for_and_use_that_comes_late_makes_it_less(installation):
    async with a_story(installation, "2026-06-01") as world:
        s = await committed(world)
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        # A second later: bills of one instant, made by two processes, have no order.
        await rest(world)
        assert last(await bills(world)) == HALF, "15.00 + 1.00 + 34.00 is half of 100.00"
        await world.use("late", 5, timestamp="2026-06-10T00:00:00Z")
        await world.advance(to="2026-06-17T00:00:00Z")
        assert last(await bills(world)) == [("usage_adjustment", 50), ("commitment", -50)]


@pytest.mark.parametrize("how", ["ends", pytest.param("pauses", marks=pytest.mark.slow)])
async def test_it_is_so_on_a_date_and_with_a_pause(installation, how):
    async with a_story(installation, "2026-06-01") as world:
        s = await committed(world, paused_time="credit")
        if how == "ends":
            await world.delete(f"/api/subscriptions/{s['id']}", at="2026-06-16T00:00:00Z")
        await world.advance(to="2026-06-16T00:00:00Z")
        if how == "pauses":
            await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await rest(world)
        assert sorted(last(await bills(world))) == sorted(HALF)


async def test_what_is_withheld_does_not_count_either_so_that_it_can_be_given(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        s = await committed(world)
        await world.advance(to="2026-06-16T00:00:00Z")
        made = await counter.dispute((await counter.charges())[0]["ref"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert last(await bills(world)) == [("proration_credit", 0), *HALF[1:]]
        await counter.decide(made, "won")
        await rest(world)
        assert [made.total for made in await bills(world)] == [3000, 3500, -1500]


BACK = [("commitment", 3400), ("proration_credit", -1500)]


@pytest.mark.parametrize(
    ("how", "grace"),
    [
        ("verb", 30),
        ("date", 0),
        pytest.param("verb", 0, marks=pytest.mark.slow),
        pytest.param("date", 30, marks=pytest.mark.slow),
        pytest.param("parent", 0, marks=pytest.mark.slow),
    ],
)
async def test_an_end_while_it_is_paused_settles_what_the_pause_left_open(installation, how, grace):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("base", amount=700)
        parent = await world.subscriber("acme", "base") if how == "parent" else None
        s = await committed(world, parent, grace_days=grace)
        await world.advance(to="2026-06-16T00:00:00Z")
        if how == "date":
            await world.delete(f"/api/subscriptions/{s['id']}", at="2026-06-20T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-06-20T00:00:00Z")
        if how != "date":
            await world.delete(f"/api/subscriptions/{(parent or s)['id']}", when="now")
        await world.advance(to="2026-07-25T00:00:00Z")
        lines = [row[:2] for made in await bills(world) for row in made.lines if abs(row[1]) not in (700, 257)]
        assert sorted(lines) == sorted([("recurring", 3000), ("usage", 100), *BACK]), "half of 100.00, as if resumed"


async def test_use_that_came_late_is_counted_with_that_end(installation):
    async with a_story(installation, "2026-06-01") as world:
        s = await committed(world)
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await rest(world)
        await world.use("late", 5, timestamp="2026-06-10T00:00:00Z")
        await world.advance(to="2026-06-20T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        await rest(world)
        assert sorted(last(await bills(world))) == [("commitment", 3350), BACK[1], ("usage_adjustment", 50)]
        await world.use("later", 5, timestamp="2026-06-11T00:00:00Z")
        await world.advance(to="2026-06-21T00:00:00Z")
        assert last(await bills(world)) == [("usage_adjustment", 50), ("commitment", -50)]
