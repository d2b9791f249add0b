"""Another interval, where nothing is left to give back of the period that it cuts off: that its time is given back is said."""

import pytest

from tests.support.bills import a_story, bills
from tests.support.outcomes import payments_of, rest


@pytest.mark.parametrize("is_free", [pytest.param(True, marks=pytest.mark.slow), False])
async def test_a_year_begins_within_a_month_of_which_nothing_is_left(installation, is_free):
    async with a_story(installation, "2026-06-01") as world:
        prices = [
            {"billing_cycle": cycle, "currency": "EUR", "amount": amount}
            for cycle, amount in (("monthly", 3000), ("yearly", 30000))
        ]
        await world.plan("pro", prices=prices)
        code = {"code": "FREE", "name": "Free", "percent": "100", "duration": "once"}
        await world.post("/api/promo-codes", code)
        s = await world.subscriber(**({"promo_code": "FREE"} if is_free else {}))
        await rest(world)
        for paid in await payments_of(world):
            await world.post("/api/refunds", {"payment_id": paid["id"], "reason": "sorry"}, expect=(202,))
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, billing_cycle="yearly", when="now")
        await rest(world)
        assert (await bills(world))[-1].lines == [
            ("proration_credit", 0, "2026-06-16/2026-07-01"),
            ("recurring", 30000, "2026-06-16/2027-06-16"),
        ]
