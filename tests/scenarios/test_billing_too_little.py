"""What a credit note leaves of an open invoice, and is too little to collect."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import a_subscriber, payments_of, rest


async def test_what_a_note_leaves_and_is_too_little_is_collected_with_the_next_invoice(installation):
    async with a_story(installation, "2026-06-01") as world:
        [issuer] = await world.get("/api/issuers")
        answer = await world.http.patch(f"/api/issuers/{issuer['id']}", json={"minimum_charges": {"EUR": 50}})
        assert answer.status_code == 200
        await world.plan("pro", amount=3000)
        s = await world.subscriber()
        await rest(world)
        [card] = await world.get("/api/customers/acme/payment-methods")
        await world.delete(f"/api/customers/acme/payment-methods/{card['id']}")
        await world.advance(to="2026-07-01T00:10:00Z")
        _, july = await world.invoices()
        await world.post(f"/api/invoices/{july['id']}/credit-notes", {"reason": "Sorry", "amount": 2980})
        await rest(world)
        july = await world.get(f"/api/invoices/{july['id']}")
        assert (july["status"], july["amount_due"]) == ("paid", 0)
        await world.card("acme", "pm_card_ok")
        await world.advance(to="2026-08-01T00:00:10Z")
        assert (await world.subscription(s))["status"] == "active"
        paid = [each["amount"] for each in await payments_of(world) if each["status"] == "succeeded"]
        assert paid[::-1] == [3000, 3020]


async def test_the_third_digit_that_no_card_takes_is_collected_with_the_next_invoice(installation):
    """9.995 dinars and a tenth of tax are 10.995: cards take two digits, and what is over is owed with what comes next."""
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("10")
        await world.plan("pro", amount=9_995, currency="BHD")
        await world.subscriber()
        for day in ("2026-07-01", "2026-08-01"):
            await world.advance(to=f"{day}T00:10:00Z")
        made = [(each["total"], each["amount_credit_applied"], each["status"]) for each in await world.invoices()]
        # 10.995, 10.995 + 0.005, 10.995: the tax of 0.9995 is rounded up each time.
        assert made == [(10_995, 5, "paid"), (10_995, -5, "paid"), (10_995, 5, "paid")]
        paid = [each["amount"] for each in await payments_of(world)]
        assert paid[::-1] == [10_990, 11_000, 10_990]


async def test_what_a_void_bill_carried_is_not_owed(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=9_995, currency="BHD")
        await world.customer()
        await world.subscribe()
        [made] = await world.invoices()
        assert made["amount_due"] == 9_990
        await world.post(f"/api/invoices/{made['id']}/void")
        await rest(world)
        [void] = await world.invoices()
        left = [each["left"] for each in await world.get("/api/credits", customer_id="acme")]
        assert (void["status"], sorted(left)) == ("void", [-5, 5])
        await world.card("acme", "pm_card_ok")
        await world.subscribe()
        await rest(world)
        assert [each["amount"] for each in await payments_of(world) if each["status"] == "succeeded"] == [9_990]


async def test_whole_forints_are_collected_of_who_says_so_and_refunded(installation):
    async with a_story(installation, "2026-06-01") as world:
        [issuer] = await world.get("/api/issuers")
        answer = await world.http.patch(f"/api/issuers/{issuer['id']}", json={"charge_increments": {"HUF": 100}})
        assert answer.json()["data"]["charge_increments"] == {"HUF": 100}
        await world.plan("pro", amount=99_950, currency="HUF", billing={"unused_on_cancel": "refund"})
        s = await world.subscriber()
        await rest(world)
        await world.advance(to="2026-06-11T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        await rest(world)
        # Two thirds of 999.50 are unused, 666.33. Of 0.50 nobody has paid yet: of 665.83 whole forints go back.
        assert [(each["total"], each["amount_due"]) for each in await world.invoices()] == [(99_950, 0), (-66_633, 0)]
        assert [each["amount"] for each in await world.get("/api/refunds")] == [66_500]
        assert sum(each["left"] for each in await world.get("/api/credits", customer_id="acme")) == 83


@pytest.mark.parametrize("parts", [[1_400], [500, 900]])
async def test_what_was_carried_to_a_bill_goes_back_with_its_money(installation, parts):
    """4.00 are too little to collect, and come in with the next 10.00: the payment of 14.00 can go back whole."""
    async with a_story(installation, "2026-06-01") as world:
        [issuer] = await world.get("/api/issuers")
        answer = await world.http.patch(f"/api/issuers/{issuer['id']}", json={"minimum_charges": {"EUR": 500}})
        assert answer.status_code == 200
        card = await a_subscriber(world)
        bought = {"customer": "acme", "currency": "EUR", "payment_method_id": card["id"]}
        for amount in (400, 1_000):
            await world.post("/api/orders", {**bought, "amount": amount})
            await rest(world)
        [paid] = await payments_of(world)
        assert (paid["status"], paid["amount"]) == ("succeeded", 1_400)
        for part in parts:
            asked = {"payment_id": paid["id"], "reason": "Not shown", "amount": part, "credit_note": "full"}
            await world.post("/api/refunds", asked)
            await rest(world)
        notes = [-each["total"] for each in await world.invoices() if each["kind"] == "credit_note"]
        assert (sum(notes), [each["amount_refunded"] for each in await payments_of(world)]) == (1_000, [1_400])
