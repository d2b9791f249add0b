"""Faults that are proven and not mended: each story fails as long as it is so."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import is_eligible, payments_of, rest
from tests.support.worst_day import counter_of

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


@pytest.mark.xfail(strict=True, reason="a refund that ended access ends what is paid for anew within the same period")
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
        await world.change(s, plan_id="max", when="now")
        await rest(world)
        assert (await payments_of(world))[0]["amount"] == 3000
        assert await is_eligible(world)
