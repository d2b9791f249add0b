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


@pytest.mark.parametrize("is_spent", [pytest.param(False, marks=pytest.mark.slow), True])
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


@pytest.mark.parametrize("amount", [None, 499])
async def test_a_product_that_a_credit_note_took_back_before_it_was_paid_is_not_granted(installation, amount):
    async with a_story(installation, "2026-06-01") as world:
        await world.customer()
        await world.post(
            "/api/products", {"code": "film", "name": "Film", "prices": [{"amount": 499, "currency": "EUR"}]}
        )
        order = await world.post("/pay", {"customer": "acme", "product": "film"})
        [invoice] = await world.invoices()
        said = {"reason": "by mistake"} | ({"amount": amount} if amount else {})
        await world.post(f"/api/invoices/{invoice['id']}/credit-notes", said)
        await rest(world)
        assert not (await world.get("/api/entitlements/acme/content/film"))["allowed"]
        assert (await world.get(f"/api/orders/{order['id']}"))["status"] == "canceled"


async def test_a_product_whose_price_a_credit_note_lowered_is_granted_when_the_rest_is_paid(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.customer()
        await world.post(
            "/api/products", {"code": "film", "name": "Film", "prices": [{"amount": 499, "currency": "EUR"}]}
        )
        order = await world.post("/pay", {"customer": "acme", "product": "film"})
        [invoice] = await world.invoices()
        await world.post(f"/api/invoices/{invoice['id']}/credit-notes", {"reason": "half", "amount": 249})
        await rest(world)
        await world.pay(order["payment_link"])
        await rest(world)
        assert (await world.get("/api/entitlements/acme/content/film"))["allowed"]


async def test_a_charge_and_a_change_that_were_credited_before_they_were_paid_are_given_up(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=0)
        await world.plan("max", amount=6000)
        await world.customer()
        s = await world.subscribe()
        await world.change(s, plan_id="max", when="now")
        data = {"customer": "acme", "amount": 1250, "currency": "EUR", "description": "Rendering"}
        event = {"specversion": "1.0", "id": "job-1", "source": "studio", "type": "orders.charge.requested"}
        charge = await world.post("/api/charges", {**event, "data": data})
        await rest(world)
        for invoice in await world.invoices():
            if invoice["total"]:
                await world.post(f"/api/invoices/{invoice['id']}/credit-notes", {"reason": "by mistake"})
        await rest(world)
        after = await world.subscription(s)
        assert (after["plan_code"], after["status"], after["pending_change"]) == ("pro", "active", None)
        assert (await world.get(f"/api/charges/{charge['id']}"))["status"] == "failed"
        assert sorted(each["status"] for each in await world.get("/api/orders")) == [
            "canceled",
            "canceled",
            "completed",
        ]
