"""Promo codes beside what else happens to a subscription."""

from tests.support.bills import a_story


async def refused(world, **body):
    asked = {"organization_id": "acme", "plan_id": "pro", "billing_cycle": "monthly", **body}
    answer = await world.http.post("/api/subscriptions", json=asked)
    return (answer.status_code, answer.json().get("code"))


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
