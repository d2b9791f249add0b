"""Access after money went back."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import is_eligible, payments_of, rest


async def test_a_refund_of_a_shared_invoice_ends_the_access_to_all_that_it_paid_for(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.shares_bills()
        await world.customer()
        card = await world.card("acme", "pm_card_ok")
        for code in ("one", "two"):
            await world.plan(code, amount=1000)
            await world.subscribe("acme", code, payment_method_id=card["id"])
        await world.advance(to="2026-07-01T00:00:00Z")
        await rest(world)
        [shared] = [each for each in await payments_of(world) if each["amount"] == 2000]
        said = {"payment_id": shared["id"], "reason": "not used", "ends_access": True}
        await world.post("/api/refunds", said, expect=(202,))
        await rest(world)
        assert not await is_eligible(world)
        await world.advance(to="2026-08-01T00:00:01Z")
        assert await is_eligible(world), "August is paid for"


@pytest.mark.slow
async def test_time_that_was_refunded_is_not_had_after_a_pause(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.put("/api/refund-policy", {"auto_grant_days": 14})
        await world.plan("pro", amount=3000)
        s = await world.subscriber()
        await world.advance(to="2026-06-02T00:00:00Z")
        [paid] = await payments_of(world)
        await world.post(f"/api/payments/{paid['id']}/refund-requests", {"reason": "not used"})
        await rest(world)
        for pauses_at, resumes_at in (("2026-06-02", "2026-07-01"), ("2026-07-10", "2026-08-01")):
            await world.advance(to=f"{pauses_at}T00:10:00Z")
            assert not await is_eligible(world)
            await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
            await world.advance(to=f"{resumes_at}T00:00:00Z")
            await world.post(f"/api/subscriptions/{s['id']}/resume", {})
            await rest(world)
            assert not await is_eligible(world), "this time was paid back"
        await world.advance(to="2026-08-25T00:00:00Z")
        assert [each["amount"] for each in await payments_of(world)] == [3000, 3000]
        assert await is_eligible(world), "this was paid for"


async def test_a_period_that_begins_and_is_paid_for_after_a_refund_is_had(installation):
    async with a_story(installation, "2026-06-01") as world:
        prices = [
            {"billing_cycle": cycle, "currency": "EUR", "amount": amount}
            for cycle, amount in (("monthly", 3000), ("yearly", 30000))
        ]
        await world.plan("pro", prices=prices)
        s = await world.subscriber()
        await world.advance(to="2026-06-11T00:00:00Z")
        [paid] = await payments_of(world)
        said = {"payment_id": paid["id"], "reason": "not used", "ends_access": True}
        await world.post("/api/refunds", said, expect=(202,))
        await rest(world)
        assert not await is_eligible(world)
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, billing_cycle="yearly", when="now")
        await rest(world)
        assert [each["amount"] for each in await payments_of(world)] == [30000, 3000]
        assert await is_eligible(world)


async def test_what_a_change_charges_after_a_refund_is_had(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000)
        s = await world.subscriber()
        await world.advance(to="2026-06-11T00:00:00Z")
        [paid] = await payments_of(world)
        said = {"payment_id": paid["id"], "reason": "x", "ends_access": True}
        await world.post("/api/refunds", said, expect=(202,))
        await world.advance(to="2026-06-16T00:00:00Z")
        assert not await is_eligible(world)
        await world.change(s, plan_id="max", when="now")
        await rest(world)
        assert (await payments_of(world))[0]["amount"] == 3000
        assert await is_eligible(world)


async def test_time_that_was_kept_and_is_refunded_while_it_runs_is_had_no_more(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        s = await world.subscriber()
        await world.advance(to="2026-06-11T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-06-21T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/resume", {})
        await world.advance(to="2026-06-22T00:00:00Z")
        assert await is_eligible(world)
        [paid] = await payments_of(world)
        said = {"payment_id": paid["id"], "reason": "not used", "ends_access": True}
        await world.post("/api/refunds", said, expect=(202,))
        await rest(world)
        for at in ("2026-06-22T00:10:00Z", "2026-07-05T00:00:00Z"):
            await world.advance(to=at)
            assert not await is_eligible(world), "it was billed with another end, and is the same time"
        await world.advance(to="2026-07-12T00:00:00Z")
        assert len(await payments_of(world)) == 2
        assert await is_eligible(world), "this is paid for"


async def test_what_credit_pays_for_after_a_refund_is_had(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000)
        s = await world.subscriber()
        await world.advance(to="2026-06-11T00:00:00Z")
        [paid] = await payments_of(world)
        said = {"payment_id": paid["id"], "reason": "x", "ends_access": True}
        await world.post("/api/refunds", said, expect=(202,))
        await world.advance(to="2026-06-16T00:00:00Z")
        customer = await world.get("/api/customers/acme")
        gift = {"customer_id": customer["id"], "amount": 3000, "currency": "EUR", "reason": "sorry"}
        await world.post("/api/credits", gift)
        assert not await is_eligible(world)
        await world.change(s, plan_id="max", when="now")
        await rest(world)
        assert len(await payments_of(world)) == 1, "nothing was left to be paid with money"
        assert await is_eligible(world)
