"""Faults that are proven and not mended: each story fails as long as it is so."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import payments_of, rest
from tests.support.worst_day import counter_of

CALLS = {
    "code": "calls",
    "name": "Calls",
    "meter": "calls",
    "prices": [{"currency": "EUR", "model": "per_unit", "unit_amount": "10"}],
}
PRO = {"amount": 3000, "billing": {"unused_on_cancel": "credit"}}


async def credit_left(world):
    customer = await world.get("/api/customers/acme")
    return sum(each["left"] for each in await world.get("/api/credits", customer_id=customer["id"]))


@pytest.mark.xfail(strict=True, reason="what a bank held when it ended is gone, though the dispute is won")
async def test_what_was_unused_becomes_credit_when_the_dispute_is_won(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.plan("pro", **PRO)
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        made = await counter.dispute((await counter.charges())[0]["ref"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        await counter.decide(made, "won")
        await rest(world)
        assert await credit_left(world) == 1500


@pytest.mark.xfail(strict=True, reason="what was on its way back when it ended is gone, though the refund fails")
async def test_what_was_unused_becomes_credit_when_the_refund_fails(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.plan("pro", **PRO)
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        [paid] = await payments_of(world)
        await counter.fault("hold", "refund", phase="before", times=1)
        await world.post("/api/refunds", {"payment_id": paid["id"], "reason": "x"})
        await counter.until_held("refund")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        made = await counter.dispute((await counter.charges())[0]["ref"])
        await counter.release()
        await rest(world)
        await counter.decide(made, "won")
        await rest(world)
        assert [each["status"] for each in await world.get("/api/refunds")] == ["failed"]
        assert await credit_left(world) == 1500


@pytest.mark.xfail(strict=True, reason="a loss takes nothing of the prepaid credits that were bought with it")
async def test_prepaid_credits_that_a_bank_took_the_money_of_pay_for_nothing(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.put("/api/entitlement-settings", {"blocks_on_dispute": False})
        await world.meter()
        await world.plan("pro", amount=0, charges=[CALLS])
        await world.customer()
        await world.card("acme", "pm_card_ok")
        await world.subscribe()
        await world.post("/api/customers/acme/prepaid-credits", {"amount": 5000, "currency": "EUR", "paid": True})
        await rest(world)
        made = await counter.dispute((await counter.charges())[0]["ref"])
        await rest(world)
        await counter.decide(made, "lost")
        await rest(world)
        await world.use("much", 400)
        await world.advance(to="2026-07-01T00:10:00Z")
        assert (await world.invoices())[-1]["total"] == 4000
