"""Faults that are proven and not mended: each story fails as long as it is so."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import is_eligible, payments_of, rest


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
