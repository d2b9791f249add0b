"""What is given back of what nobody has paid for: it is owed less, and becomes no credit."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import open_hosted_page, payments_of, rest


async def credit_left(world):
    customer = await world.get("/api/customers/acme")
    return sum(each["left"] for each in await world.get("/api/credits", customer_id=customer["id"]))


async def test_a_page_that_was_opened_and_left_has_paid_nothing(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "credit"})
        await world.customer()
        s = await world.subscribe(trial_days=1)
        await world.advance(to="2026-06-17T00:00:00Z")
        [invoice] = await world.invoices()
        asked = await world.post(f"/api/invoices/{invoice['id']}/pay", {})
        await open_hosted_page(world, asked["payment_link"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_left(world) == 0
        await rest(world)
        # From 2 June to 2 July, of which 15 days and a second are used.
        assert (await world.invoices())[0]["amount_due"] == 1500
        await world.pay(asked["payment_link"])
        await rest(world)
        assert [each["amount"] for each in await payments_of(world) if each["status"] == "succeeded"] == [1500]


@pytest.mark.parametrize("is_spent", [False, True])
async def test_credit_for_what_was_on_its_way_pays_for_it_when_it_does_not_come_in(installation, is_spent):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "credit"})
        await world.plan("other", amount=1000)
        await world.customer()
        card = await world.card("acme", "pm_card_async_declined")
        s = await world.subscribe(trial_days=1, payment_method_id=card["id"])
        await world.advance(to="2026-06-03T00:00:00Z")
        assert [each["status"] for each in await payments_of(world)] == ["unknown"]
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_left(world) == 2900, "it is coming in"
        if is_spent:
            await world.subscribe("acme", "other")
        await world.advance(to="2026-06-06T00:00:00Z")
        assert await credit_left(world) == 0
        invoice = next(each for each in await world.invoices() if each["total"] == 3000)
        assert invoice["amount_due"] == (1100 if is_spent else 100)
