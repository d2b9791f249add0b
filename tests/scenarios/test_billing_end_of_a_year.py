"""What an end bills: all that was used and not billed, whatever had changed within the period before."""

from tests.scenarios.test_billing_parts import amounts_of
from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story


async def test_what_was_used_before_a_change_is_billed_with_the_end(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        for code in ("pro", "max"):
            prices = [{"billing_cycle": "yearly", "currency": "EUR", "amount": 36500}]
            await world.plan(code, prices=prices, charges=[calls(each("10"))], billing={"unused_on_cancel": "credit"})
        s = await world.subscriber("acme", "pro", billing_cycle="yearly")
        await world.use("a", 100)
        await world.advance(to="2026-06-11T00:00:00Z")
        await world.change(s, plan_id="max", when="now")
        await world.use("b", 50)
        await world.advance(to="2026-06-21T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert sorted(await amounts_of(world, "usage")) == [500, 1000]
