"""What can be refunded of a payment, after what gave a part of it back has come to nothing."""

from tests.scenarios.test_billing_given_back import refunded
from tests.support.bills import a_story
from tests.support.outcomes import payments_of, rest


async def test_a_change_that_nobody_paid_for_takes_nothing_from_what_can_be_refunded(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000)
        s = await world.subscriber()
        await rest(world)
        [paid], [card] = await payments_of(world), await world.get("/api/customers/acme/payment-methods")
        await world.delete(f"/api/customers/acme/payment-methods/{card['id']}")
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, plan_id="max", when="now")  # 15.00 given back, 30.00 charged: 15.00 by link
        await world.advance(to="2026-06-24T00:00:00Z")
        assert [(each["status"], each["total"]) for each in await world.invoices()] == [("paid", 3000), ("void", 1500)]
        await refunded(world, paid, amount=3000)
        assert [each["amount"] for each in await world.get("/api/refunds")] == [3000]
