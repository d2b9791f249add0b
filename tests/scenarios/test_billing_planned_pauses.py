"""Pauses that were planned for a period's end, and what became of that period before."""

from tests.support.bills import a_story, bills
from tests.support.outcomes import rest


async def test_a_pause_that_would_be_over_before_it_begins_is_none(installation):
    async with a_story(installation, "2026-06-01") as world:
        prices = [
            {"billing_cycle": cycle, "currency": "EUR", "amount": amount}
            for cycle, amount in (("monthly", 3000), ("yearly", 36500))
        ]
        await world.plan("pro", prices=prices)
        s = await world.subscriber()
        await rest(world)
        wish = {"when": "period_end", "resume_at": "2026-07-11T00:00:00Z"}
        await world.post(f"/api/subscriptions/{s['id']}/pause", wish)
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, billing_cycle="yearly", when="now")
        await world.advance(to="2027-06-20T00:00:00Z")
        assert [made.lines for made in await bills(world)] == [
            [("recurring", 3000, "2026-06-01/2026-07-01")],
            [("proration_credit", -1500, "2026-06-16/2026-07-01"), ("recurring", 36500, "2026-06-16/2027-06-16")],
            [("recurring", 36500, "2027-06-16/2028-06-16")],
        ]
        assert (await world.subscription(s))["status"] == "active"
