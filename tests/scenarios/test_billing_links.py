"""Changes that wait for their payment by link: what is billed and given back when it comes late, or never.

The rules are in docs/design/changes.md.
"""

import pytest

from tests.support.bills import a_story, bills
from tests.support.outcomes import payments_of, rest

CALLS = {
    "code": "calls",
    "name": "Calls",
    "meter": "calls",
    "prices": [{"currency": "EUR", "model": "per_unit", "unit_amount": "10"}],
}


async def a_metered_subscriber(world):
    """Subscribed by the quarter to what costs nothing but its use, which is billed every month; `max` costs 90.00."""
    await world.meter()
    for code, amount in (("pro", 0), ("max", 9000)):
        prices = [{"billing_cycle": "quarterly", "currency": "EUR", "amount": amount}]
        billing = {"usage_interval": {"interval": "month"}}
        await world.plan(code, prices=prices, charges=[CALLS], billing=billing)
    await world.customer()
    return await world.subscribe("acme", "pro", billing_cycle="quarterly")


async def used(world):
    """Return the lines of use on all bills."""
    return [(amount, when) for made in await bills(world) for kind, amount, when in made.lines if kind == "usage"]


async def kept(world):
    """Return what came in and did not go back."""
    paid = sum(each["amount"] for each in await payments_of(world) if each["status"] == "succeeded")
    return paid - sum(each["amount"] for each in await world.get("/api/refunds"))


async def test_use_that_was_billed_stays_so_when_a_change_from_before_is_paid_for(installation):
    async with a_story(installation, "2026-06-01") as world:
        subscription = await a_metered_subscriber(world)
        await world.advance(to="2026-06-27T00:00:00Z")
        changed = await world.change(subscription, plan_id="max", when="now")
        customer = await world.get("/api/customers/acme")
        gift = {"customer_id": customer["id"], "currency": "EUR", "amount": 1000, "reason": "pays for the use of June"}
        await world.post("/api/credits", gift)
        await world.advance(to="2026-06-29T00:00:00Z")
        await world.use("june", 100)
        await world.advance(to="2026-07-02T00:00:00Z")
        await world.pay(changed["payment_link"])
        await rest(world)
        assert (await world.subscription(subscription))["plan_code"] == "max"
        await world.use("july", 50)
        await world.advance(to="2026-08-01T00:00:00Z")
        assert await used(world) == [(1000, "2026-06-01/2026-07-01"), (500, "2026-07-01/2026-08-01")]


async def test_a_change_that_is_paid_for_takes_effect_though_something_else_is_owed(installation):
    async with a_story(installation, "2026-06-01") as world:
        subscription = await a_metered_subscriber(world)
        await world.use("june", 100)
        await world.advance(to="2026-06-27T00:00:00Z")
        changed = await world.change(subscription, plan_id="max", when="now")
        await world.advance(to="2026-07-02T00:00:00Z")  # the use of June is to be paid by link, too, and is not
        assert (await world.subscription(subscription))["status"] == "past_due"
        await world.pay(changed["payment_link"])
        await rest(world)
        assert (await world.subscription(subscription))["plan_code"] == "max"
        assert await kept(world) == 6457 + 1000  # the change, and June with the card that came with it
        await world.use("july", 50)
        await world.advance(to="2026-08-01T00:00:00Z")
        assert await used(world) == [(1000, "2026-06-01/2026-07-01"), (500, "2026-07-01/2026-08-01")]


async def test_a_change_of_an_add_on_is_void_before_it_ends_with_its_parent(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=0)
        await world.plan("extra", amount=0, is_add_on=True)
        await world.plan("more", amount=3000, is_add_on=True)
        await world.customer()
        parent = await world.subscribe("acme", "pro")
        add_on = await world.subscribe("acme", "extra", parent_id=parent["id"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{parent['id']}", at="2026-06-13T00:00:00Z")
        await world.advance(to="2026-06-11T00:00:00Z")
        await world.change(add_on, plan_id="more", when="now")  # 20.00 by link
        await world.advance(to="2026-06-14T00:00:00Z")
        assert (await world.subscription(add_on))["status"] == "canceled"
        assert [(each["status"], each["total"]) for each in await world.invoices()][-1] == ("void", 2000)


async def test_what_settles_after_the_period_it_was_for_goes_back(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=0)
        await world.plan("max", amount=3000)
        await world.customer()
        subscription = await world.subscribe("acme", "pro")
        await world.advance(to="2026-06-28T00:00:00Z")
        changed = await world.change(subscription, plan_id="max", when="now")  # 3.00 for three days of thirty
        await world.pay(changed["payment_link"], card="4000000000005506")  # a debit that takes three days
        await world.advance(to="2026-07-03T00:00:00Z")
        await rest(world)
        [order] = [each for each in await world.get("/api/orders") if each["kind"] == "change"]
        assert (order["status"], (await world.subscription(subscription))["plan_code"]) == ("canceled", "pro")
        assert [each["amount"] for each in await world.get("/api/refunds")] == [300]
        assert await kept(world) == 0


@pytest.mark.slow
async def test_what_settles_after_its_subscription_ended_leaves_it_at_what_it_had_until_then(installation):
    async with a_story(installation, "2026-06-01") as world:
        for code, amount in (("pro", 1000), ("max", 3000)):
            await world.plan(code, amount=amount, billing={"unused_on_cancel": "credit"})
        customer = await world.customer()
        gift = {"customer_id": customer["id"], "currency": "EUR", "amount": 1000, "reason": "pays for the first month"}
        await world.post("/api/credits", gift)
        first = await world.subscribe("acme", "pro")
        await rest(world)
        await world.delete(f"/api/subscriptions/{first['id']}", at="2026-06-04T00:00:00Z")
        await world.advance(to="2026-06-02T00:00:00Z")
        changed = await world.change(first, plan_id="max", when="now")
        await world.pay(changed["payment_link"], card="4000000000005506")  # a debit that takes three days
        await world.advance(to="2026-06-07T00:00:00Z")
        await rest(world)
        given = await world.get("/api/credits", customer_id=first["customer_id"])
        left = sum(each["left"] for each in given)
        assert await kept(world) - left == 100 - 1000, "10.00 by the month, for three days of thirty"
