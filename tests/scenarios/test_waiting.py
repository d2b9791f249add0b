"""Who prefers to wait is answered with what came of it: whatever is paid by a saved method, and what is given back."""

import pytest

from tests.support.outcomes import rest

WAIT = {"Prefer": "wait=30"}


@pytest.fixture
async def subscription(world):
    await world.plan("pro", amount=3000)
    await world.plan("max", amount=9000)
    made = await world.subscriber()
    await rest(world)
    return made


async def test_a_change_answers_when_it_is_paid(world, subscription):
    path = f"/api/subscriptions/{subscription['id']}"
    answer = (await world.http.put(path, json={"plan_id": "max"}, headers=WAIT)).json()["data"]
    assert (answer["plan_code"], answer["payment_status"], answer["amount_due"]) == ("max", "succeeded", 0)
    assert answer["payment_link"] is None


async def test_an_order_and_its_refund_answer_when_the_money_has_moved(world, subscription):
    card = subscription["payment_method_id"]
    wish = {"customer": "acme", "amount": 500, "currency": "EUR", "payment_method_id": card}
    order = await world.post("/api/orders", wish, **WAIT)
    assert (order["status"], order["payment_status"], order["payment_link"]) == ("completed", "succeeded", None)
    [payment] = await world.get("/api/payments", invoice_id=order["invoice_id"])
    refund = await world.post("/api/refunds", {"payment_id": payment["id"], "reason": "Sorry"}, **WAIT)
    assert refund["status"] == "succeeded"


async def test_an_invoice_answers_when_it_is_paid_or_was_declined(world, subscription):
    lines = [{"description": "Workshop", "unit_amount": 700}]
    made = {"customer_id": "acme", "currency": "EUR", "collection": "send", "net_days": 14, "lines": lines}
    invoice = await world.post("/api/invoices", made)
    bad = await world.card("acme", "pm_card_insufficient_funds")
    path = f"/api/invoices/{invoice['id']}/pay"
    declined = await world.post(path, {"payment_method_id": bad["id"]}, **WAIT)
    assert (declined["payment_status"], declined["amount_due"]) == ("declined", 700)
    paid = await world.post(path, {"payment_method_id": subscription["payment_method_id"]}, **WAIT)
    assert (paid["payment_status"], paid["invoice_status"], paid["amount_due"]) == ("succeeded", "paid", 0)


async def test_a_card_whose_bank_asks_for_its_customer_answers_with_where_that_is(world, subscription):
    wish = {"token": "pm_card_authentication_required"}
    method = await world.post("/api/customers/acme/payment-methods", wish, **WAIT)
    assert method["status"] == "pending"
    assert "/authenticate/" in method["action_url"]


async def test_a_method_without_a_token_answers_with_the_page_on_which_it_is_given(world, subscription):
    method = await world.post("/api/customers/acme/payment-methods", {}, **WAIT)
    assert method["status"] == "pending"
    assert method["action_url"].startswith("http")
