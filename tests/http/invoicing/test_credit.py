"""Invoices by hand, credit notes, credit and discounts over HTTP."""

import pytest

from guilder.domain.identity.model import Role
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.invoicing import an_invoice

LINES = [{"description": "Advice", "unit_amount": 8_000, "quantity": "2.5"}]


@pytest.fixture
def body(customer):
    return {"customer_id": ids.to_text("cus", customer.id), "currency": "EUR", "lines": LINES, "net_days": 14}


async def test_an_invoice_is_made_credited_and_written_off(ask, body):
    made = await ask("POST", "/api/invoices", body)
    assert made.status_code == 201, made.text
    invoice = made.json()["data"]
    assert (invoice["total"], invoice["is_sent"], invoice["kind"]) == (20_000, True, "invoice")
    assert invoice["lines"][0]["quantity"] == "2.5"
    asked = {"reason": "Too many hours", "lines": [{"line_id": invoice["lines"][0]["id"], "amount": 4_000}]}
    note = await ask("POST", f"/api/invoices/{invoice['id']}/credit-notes", asked)
    assert note.status_code == 201, note.text
    assert (note.json()["data"]["number"], note.json()["data"]["total"]) == ("CN-2026-00001", -4_000)
    assert note.json()["data"]["corrects_invoice_id"] == invoice["id"]
    listed = (await ask("GET", "/api/invoices?kind=credit_note")).json()["data"]
    assert [each["number"] for each in listed] == ["CN-2026-00001"]
    given_up = await ask("POST", f"/api/invoices/{invoice['id']}/write-off")
    data = given_up.json()["data"]
    assert (data["status"], data["amount_credited"], data["amount_due"]) == ("uncollectible", 4_000, 16_000)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"lines": []}, "lines"),
        ({"currency": "EURO"}, "currency"),
        ({"net_days": -1}, "net_days"),
        ({"lines": [{**LINES[0], "quantity": "0"}]}, "lines[0].quantity"),
        ({"issuer_id": "iss_00000000000000000000000000"}, "issuer_id"),
    ],
)
async def test_what_cannot_be_is_refused(ask, body, wrong, field):
    answer = await ask("POST", "/api/invoices", {**body, **wrong})
    assert answer.status_code in (404, 422), answer.text
    assert field in answer.text


async def test_credit_is_granted_listed_and_not_paid_out_of_nothing(ask, customer):
    me, called = ids.to_text("cus", customer.id), customer.organization_id
    granted = await ask(
        "POST", "/api/credits", {"customer_id": called, "amount": 500, "currency": "EUR", "reason": "x"}
    )
    assert granted.status_code == 201, granted.text
    listed = (await ask("GET", f"/api/credits?customer_id={me}")).json()["data"]
    assert [(each["amount"], each["left"], each["reason"]) for each in listed] == [(500, 500, "x")]
    refused = await ask("POST", "/api/credits/pay-out", {"customer_id": me, "currency": "EUR"})
    assert refused.status_code == 409
    assert "nothing_refundable" in refused.text
    assert (await ask("GET", f"/api/discounts?customer_id={called}")).json()["data"] == []


async def test_a_customer_gives_itself_nothing_and_sees_nobody_else(house, tenant, open_tx, customer, body):
    async with open_tx() as tx:
        made, other = await an_invoice(tx, customer), await a_customer(tx)
    mine, theirs = (ids.to_text("cus", each.id) for each in (customer, other))
    await house.trusts(tenant)
    ask = house.user_of("org_1")
    path = f"/api/invoices/{ids.to_text('inv', made.id)}"
    for where, what in (
        ("/api/invoices", body),
        (f"{path}/credit-notes", {"reason": "please"}),
        (f"{path}/write-off", None),
        ("/api/credits", {"customer_id": mine, "amount": 500, "currency": "EUR", "reason": "x"}),
        ("/api/credits/pay-out", {"customer_id": mine, "currency": "EUR"}),
    ):
        assert (await ask("POST", where, what)).status_code == 403, where
    assert (await ask("GET", f"/api/credits?customer_id={mine}")).status_code == 200
    assert (await ask("GET", f"/api/credits?customer_id={theirs}")).status_code == 404


async def test_reading_staff_changes_nothing(house, tenant, body):
    ask = await house.key_of(tenant, role=Role.MEMBER)
    assert (await ask("POST", "/api/invoices", body)).status_code == 403
