"""Promo codes beside what else happens to a subscription."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import rest


async def refused(world, **body):
    asked = {"organization_id": "acme", "plan_id": "pro", "billing_cycle": "monthly", **body}
    answer = await world.http.post("/api/subscriptions", json=asked)
    return (answer.status_code, answer.json().get("code"))


@pytest.mark.slow
async def test_whose_subscription_ran_out_makes_no_first_purchase(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, trial_days=5)
        code = {"code": "NEW", "name": "New", "percent": "50", "first_purchase_only": True}
        await world.post("/api/promo-codes", code)
        s = await world.subscriber()
        await world.advance(to="2026-06-20T00:00:00Z")
        await world.change(s, auto_renew=False)
        await world.advance(to="2026-07-20T00:00:00Z")
        assert (await world.subscription(s))["status"] == "expired"
        assert sum(each["total"] for each in await world.invoices()) == 3000
        assert await refused(world, promo_code="NEW") == (422, "promo_first_purchase_only")


async def test_who_never_paid_makes_a_first_purchase_still(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        code = {"code": "NEW", "name": "New", "percent": "50", "first_purchase_only": True}
        await world.post("/api/promo-codes", code)
        await world.customer()
        for days in (8, 1):
            s = await world.subscribe(promo_code="NEW")
            await world.advance(days=days)
            if days == 1:
                await world.delete(f"/api/subscriptions/{s['id']}")
            assert (await world.subscription(s))["status"] == "expired"
        await world.subscribe(promo_code="NEW")


async def test_a_code_is_there_again_when_what_it_was_redeemed_for_was_never_paid_for(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        code = {"code": "ONE", "name": "One", "percent": "50", "redemptions_max": 1, "redemptions_max_per_customer": 1}
        await world.post("/api/promo-codes", code)
        await world.customer()
        bad, good = [await world.card("acme", token) for token in ("pm_card_invalid_account", "pm_card_ok")]
        declined = await world.subscribe(promo_code="ONE", payment_method_id=bad["id"])
        await rest(world)
        assert (await world.subscription(declined))["status"] == "expired"
        assert (await world.get("/api/promo-codes/ONE"))["redemptions"] == 0
        await world.subscribe(promo_code="ONE", payment_method_id=good["id"])
        await rest(world)
        assert [(each["status"], each["total"]) for each in await world.invoices()] == [("void", 1500), ("paid", 1500)]
        assert await refused(world, promo_code="ONE", plan_id="pro") == (409, "already_subscribed")
        assert (await world.get("/api/promo-codes/ONE"))["redemptions"] == 1


async def test_a_code_of_a_link_that_nobody_opened_is_there_for_others(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.post("/api/promo-codes", {"code": "ONE", "name": "One", "percent": "50", "redemptions_max": 1})
        await world.customer("first")
        await world.customer()
        await world.subscribe("first", promo_code="ONE")
        assert await refused(world, promo_code="ONE") == (422, "promo_used_up")
        await world.advance(to="2026-06-08T00:00:01Z")
        await world.subscribe(promo_code="ONE")


@pytest.mark.slow
async def test_a_change_after_one_that_was_undone_takes_what_the_period_took(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000)
        await world.post("/api/promo-codes", {"code": "ONE", "name": "One", "percent": "10", "duration": "once"})
        s = await world.subscriber(promo_code="ONE")
        await world.advance(to="2026-06-11T00:00:00Z")
        for plan in ("max", "pro", "max", "pro"):
            await world.change(s, plan_id=plan, when="now")
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, plan_id="max", when="now")
        assert [(each["kind"], each["amount"]) for each in (await world.invoices())[-1]["lines"]] == [
            ("proration_credit", -1350),
            ("proration_charge", 2700),
        ]
