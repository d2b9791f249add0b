"""A promo code that is for some plans alone: what was used on a plan is of that plan, whatever the bill begins."""

import pytest

from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story, bills
from tests.support.outcomes import rest


async def plans(world):
    await world.meter()
    await world.plan("pro", amount=1000, charges=[calls(each("10"))])
    await world.plan("max", amount=2000, charges=[calls(each("10"))])


async def code_for(world, plan, duration="forever"):
    found = await world.get(f"/api/plans/{plan}")
    code = {"code": "HALF", "name": "Half", "percent": "50", "duration": duration, "plan_ids": [found["id"]]}
    await world.post("/api/promo-codes", code)


async def test_use_of_a_plan_takes_its_code_though_the_next_period_is_of_another(installation):
    async with a_story(installation, "2026-06-01") as world:
        await plans(world)
        await code_for(world, "pro")
        s = await world.subscriber(promo_code="HALF")
        await rest(world)
        await world.use("june", 100)
        await world.change(s, plan_id="max", when="period_end")
        await world.advance(to="2026-07-01T00:10:00Z")
        assert (await bills(world))[-1].lines == [
            ("usage", 500, "2026-06-01/2026-07-01"),
            ("recurring", 2000, "2026-07-01/2026-08-01"),
        ]


@pytest.mark.slow
async def test_use_of_another_plan_takes_none_of_it(installation):
    async with a_story(installation, "2026-06-01") as world:
        await plans(world)
        await code_for(world, "max")
        s = await world.subscriber(plan="max", promo_code="HALF")
        await rest(world)
        await world.change(s, plan_id="pro", when="period_end")
        await world.advance(to="2026-07-10T00:00:00Z")
        await world.use("july", 100)
        await world.change(s, plan_id="max", when="period_end")
        await world.advance(to="2026-08-01T00:10:00Z")
        assert (await bills(world))[-1].lines == [
            ("usage", 1000, "2026-07-01/2026-08-01"),
            ("recurring", 1000, "2026-08-01/2026-09-01"),
        ]


async def test_a_fee_in_arrears_takes_the_code_of_its_own_plan(installation):
    async with a_story(installation, "2026-06-01") as world:
        for code, amount in (("pro", 1000), ("max", 2000)):
            await world.plan(code, amount=amount, billing={"in_arrears": True})
        await code_for(world, "pro")
        s = await world.subscriber(promo_code="HALF")
        await world.change(s, plan_id="max", when="period_end")
        await world.advance(to="2026-08-01T00:10:00Z")
        assert [made.total for made in await bills(world)] == [500, 2000]


@pytest.mark.slow
async def test_a_code_for_one_period_is_not_taken_off_another_for_what_was_used_in_the_first(installation):
    async with a_story(installation, "2026-06-01") as world:
        await plans(world)
        s = await world.subscriber()
        await rest(world)
        await code_for(world, "pro", duration="once")
        await world.post(f"/api/subscriptions/{s['id']}/discounts", {"code": "HALF"})
        await world.use("june", 100)
        await world.change(s, plan_id="max", when="period_end")
        await world.advance(to="2026-07-16T12:00:00Z")
        await world.change(s, plan_id="pro", when="now")
        assert [made.lines for made in await bills(world)][1:] == [
            [("usage", 500, "2026-06-01/2026-07-01"), ("recurring", 2000, "2026-07-01/2026-08-01")],
            [
                ("proration_credit", -1000, "2026-07-16T12:00/2026-08-01"),
                ("proration_charge", 500, "2026-07-16T12:00/2026-08-01"),
            ],
        ]
