"""A lower price where nothing comes back for the old one: it waits for the next period, as any downgrade does."""

import pytest

from tests.support.bills import a_story, bills
from tests.support.outcomes import payments_of, rest
from tests.support.worst_day import counter_of


async def test_a_downgrade_while_a_bank_holds_the_money_waits_for_the_next_period(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000)
        s = await world.subscriber(plan="max")
        await world.advance(to="2026-06-16T00:00:00Z")
        await counter.dispute((await counter.charges())[0]["ref"])
        await rest(world)
        await world.change(s, plan_id="pro")
        await rest(world)
        assert [each["amount"] for each in await payments_of(world)] == [6000]
        assert (await world.subscription(s))["plan_id"] != "pro"
        await world.advance(to="2026-07-01T00:10:00Z")
        assert [made.total for made in await bills(world)] == [6000, 3000]


@pytest.mark.slow
async def test_fewer_seats_of_what_was_free_wait_for_the_next_period(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=1000)
        await world.post("/api/promo-codes", {"code": "FREE", "name": "Free", "percent": "100", "duration": "once"})
        s = await world.subscriber(quantity=5, promo_code="FREE")
        await world.advance(to="2026-06-16T00:00:00Z")
        [discount] = await world.get(f"/api/subscriptions/{s['id']}/discounts")
        await world.delete(f"/api/subscriptions/{s['id']}/discounts/{discount['id']}")
        await world.change(s, quantity=3)
        assert (await world.subscription(s))["quantity"] == 5
        await world.advance(to="2026-07-01T00:10:00Z")
        assert [made.total for made in await bills(world)] == [0, 3000]
