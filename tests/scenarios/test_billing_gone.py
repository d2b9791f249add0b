"""What is given back: never more than came in, whatever was given back of other lines, by gifts, or of other periods."""

import pytest

from tests.scenarios.test_billing_given_back import credit_of, refunded
from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story
from tests.support.outcomes import payments_of

CREDITS = {"unused_on_cancel": "credit"}
GIFT = {"amount": 1000, "currency": "EUR", "name": "Gift"}


async def two_on_one_invoice(world):
    """Two subscriptions of 20.00 and 10.00 whose July is on one invoice."""
    [issuer] = await world.get("/api/issuers")
    answer = await world.http.patch(f"/api/issuers/{issuer['id']}", json={"consolidates": True})
    assert answer.status_code == 200
    await world.customer()
    card = await world.card("acme", "pm_card_ok")
    found = []
    for code, amount in (("big", 2000), ("small", 1000)):
        await world.plan(code, amount=amount, billing=CREDITS)
        found.append(await world.subscribe("acme", code, payment_method_id=card["id"]))
    await world.advance(to="2026-07-01T00:00:00Z")
    [invoice] = [each for each in await world.invoices() if len(each["lines"]) == 2]
    [paid] = [each for each in await payments_of(world) if each["amount"] == 3000]
    return found, invoice, paid


@pytest.mark.slow
async def test_a_refund_is_taken_of_what_was_not_credited_yet(installation):
    async with a_story(installation, "2026-06-01") as world:
        [big, _], invoice, paid = await two_on_one_invoice(world)
        [small_line] = [line for line in invoice["lines"] if line["amount"] == 1000]
        note = {"reason": "sorry", "lines": [{"line_id": small_line["id"]}]}
        await world.post(f"/api/invoices/{invoice['id']}/credit-notes", note)
        await refunded(world, paid, amount=2000)
        await world.delete(f"/api/subscriptions/{big['id']}", when="now")
        # 30.00 came in: 10.00 are credit, and 20.00 went back as money.
        assert await credit_of(world) == 1000


async def test_what_a_gift_paid_for_was_not_refunded(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        await world.plan("pro", amount=1000, charges=[calls(each("10"))], billing=CREDITS)
        s = await world.subscriber()
        await world.post("/api/customers/acme/prepaid-credits", GIFT)
        await world.use("a", 100)
        await world.advance(to="2026-07-01T00:00:00Z")  # use of 10.00, paid for by the gift, and the fee of July
        [paid, *_] = await payments_of(world)
        assert paid["amount"] == 1000
        await refunded(world, paid, amount=1000)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_of(world) == 0


@pytest.mark.slow
async def test_what_was_given_back_as_credit_is_not_refunded_because_of_a_gift(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        await world.plan("pro", amount=1000, charges=[calls(each("10"))], billing=CREDITS)
        s = await world.subscriber()
        await world.post("/api/customers/acme/prepaid-credits", GIFT)
        await world.use("a", 100)
        await world.advance(to="2026-07-01T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        credit = await credit_of(world)
        assert 999 <= credit <= 1000
        [paid, *_] = await payments_of(world)
        answer = await world.http.post(
            "/api/refunds", json={"payment_id": paid["id"], "reason": "sorry", "amount": 900}
        )
        assert answer.status_code in (409, 422), answer.text
