"""What is undone at the same instant costs nothing, to the cent of its tax."""

from tests.scenarios.test_billing_gone import CREDITS
from tests.support.bills import a_story, bills


async def test_a_change_undone_at_the_very_start_of_a_period_costs_no_cent_of_tax(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("19")
        await world.shares_bills()
        await world.customer()
        card = await world.card("acme", "pm_card_ok")
        await world.plan("much", amount=9999)
        found = []
        for code in ("one", "two", "three"):
            await world.plan(code, amount=999, billing=CREDITS)
            found.append(await world.subscribe("acme", code, payment_method_id=card["id"]))
        await world.advance(to="2026-07-01T00:00:00Z")
        for s, code in zip(found, ("one", "two", "three"), strict=True):
            before = sum(made.total for made in await bills(world))
            await world.change(s, plan_id="much", when="now")
            await world.change(s, plan_id=code, when="now")
            assert sum(made.total for made in await bills(world)) == before


async def test_what_was_undone_by_difference_is_of_the_whole_period(installation):
    async with a_story(installation, "2026-06-01") as world:
        billing = {"basis": "difference", "unused_on_cancel": "credit"}
        for code, amount in (("pro", 3000), ("max", 6000)):
            await world.plan(code, amount=amount, billing=billing)
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, plan_id="max", when="now")
        await world.change(s, plan_id="pro", when="now")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        kept = sum(made.total for made in await bills(world))
        assert 1500 <= kept <= 1501
