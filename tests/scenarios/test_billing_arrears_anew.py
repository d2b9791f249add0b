"""A fee in arrears from the very instant at which a fee in advance was billed, and given back."""

import pytest

from tests.support.bills import a_story, bills


@pytest.mark.slow
async def test_a_fee_in_arrears_is_billed_though_one_in_advance_was_from_the_same_instant_on(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("later", amount=5000, billing={"in_arrears": True})
        s = await world.subscriber()
        await world.advance(to="2026-07-01T00:00:00Z")
        await world.change(s, plan_id="later", when="now")
        await world.advance(to="2026-08-01T00:00:00Z")
        lines = [(line[1], line[2]) for made in await bills(world) for line in made.lines]
        july = "2026-07-01/2026-08-01"
        # What began and was given back at one instant is in whatever order.
        assert sorted(lines) == [(-3000, july), (3000, "2026-06-01/2026-07-01"), (3000, july), (5000, july)]
        differences = await world.get(f"/api/subscriptions/{s['id']}/differences")
        assert differences["differences"] == []
