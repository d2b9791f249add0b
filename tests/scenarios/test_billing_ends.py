"""Subscriptions that end by the clock or with a late payment: what of them was paid for and is not used.

The rules are in docs/design/changes.md ("How it ends").
"""

from tests.support.bills import a_story, bills
from tests.support.outcomes import a_subscriber, rest


async def refunds(world):
    return [(each["amount"], each["status"]) for each in await world.get("/api/refunds")]


async def test_what_ends_on_its_date_is_refunded_where_its_plan_says_so(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "refund"})
        await world.plan("extra", amount=1000, is_add_on=True, billing={"unused_on_cancel": "refund"})
        parent = await world.subscriber("acme", "pro")
        await world.subscribe("acme", "extra", parent_id=parent["id"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{parent['id']}", at="2026-06-16T00:00:00Z")
        await world.advance(to="2026-06-17T00:00:00Z")
        assert [made.total for made in await bills(world)] == [3000, 1000, -1500, -500]
        assert sorted(await refunds(world)) == [(500, "succeeded"), (1500, "succeeded")]


async def test_an_add_on_that_ends_with_a_late_payment_of_its_parent_gives_its_unused_time_back(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        yearly = [{"billing_cycle": "yearly", "currency": "EUR", "amount": 36500}]
        await world.plan("extra", prices=yearly, is_add_on=True, billing={"unused_on_cancel": "credit"})
        once = await a_subscriber(world, "pm_card_once")  # June is paid, July is not
        parent = await world.subscribe(payment_method_id=once["id"])
        await rest(world)
        gift = {
            "customer_id": parent["customer_id"],
            "currency": "EUR",
            "amount": 36500,
            "reason": "pays for the extra",
        }
        await world.post("/api/credits", gift)
        add_on = await world.subscribe("acme", "extra", parent_id=parent["id"], billing_cycle="yearly")
        await world.advance(to="2026-07-02T00:00:00Z")
        await world.delete(f"/api/subscriptions/{parent['id']}")
        await world.advance(to="2026-08-10T00:00:00Z")
        assert (await world.subscription(parent))["status"] == "suspended"
        await world.card("acme", "pm_card_ok")
        await rest(world)
        assert [(await world.subscription(each))["status"] for each in (parent, add_on)] == ["expired", "canceled"]
        [(kind, amount, _)] = (await bills(world))[-1].lines
        assert (kind, amount) == ("proration_credit", 7000 - 36500), "70 days of 365 are used"
