"""Time kept in a pause is of the last period that began: where that cost nothing, nothing of the one before comes back."""

import pytest

from tests.scenarios.test_billing_given_back import credit_of
from tests.support.bills import a_story, bills
from tests.support.outcomes import rest

CREDITS = {"unused_on_cancel": "credit"}


@pytest.mark.slow
async def test_a_free_period_after_a_paid_one_leaves_nothing_of_the_paid_one(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing=CREDITS)
        await world.plan("free", amount=0, billing=CREDITS)
        s = await world.subscriber()
        await rest(world)
        await world.change(s, plan_id="free", when="period_end")
        await world.advance(to="2026-07-11T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-08-01T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/resume")
        await world.advance(to="2026-08-02T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_of(world) == 0


async def test_a_void_period_leaves_nothing_of_the_one_before_it(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={**CREDITS, "collection": "send", "net_days": 90})
        await world.customer()
        s = await world.subscribe()
        await world.advance(to="2026-07-02T00:00:00Z")
        _, july = await world.invoices()
        await world.post(f"/api/invoices/{july['id']}/void")
        await world.advance(to="2026-07-11T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-08-01T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/resume")
        await world.advance(to="2026-08-02T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        # July was paid for by nobody, and June was used: nothing is given back.
        assert [(made.total, made.due) for made in await bills(world)] == [(3000, 3000), (3000, 0)]


@pytest.mark.slow
async def test_a_period_in_arrears_after_a_paid_one_leaves_nothing_of_the_paid_one(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("later", amount=3000, billing={"in_arrears": True})
        s = await world.subscriber()
        await rest(world)
        await world.change(s, plan_id="later", when="period_end")
        await world.advance(to="2026-07-11T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-08-01T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/resume")  # 21 of July's 31 days are left
        await world.advance(to="2026-08-02T00:00:00Z")
        await world.change(s, plan_id="pro", when="now")
        lines = [line[:2] for made in await bills(world) for line in made.lines]
        # June; 10 days of July; of the 21 that are left 20 at 30.00 in advance.
        assert lines == [("recurring", 3000), ("recurring", 968), ("proration_charge", 1935)]
