"""Current use, the projected bill and prepaid credits over HTTP."""

from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Billing
from guilder.kernel import ids
from guilder.kernel.money import Money
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.metered import a_charge, a_metered, a_metered_plan, graduated, uses

DAY = timedelta(days=1)


@pytest.fixture
async def subscription(open_tx, customer):
    """Half of a period of 30 days is over: 120 calls, the first 100 of which are free, and 50.00 are committed."""
    start = NOW - 15 * DAY
    async with open_tx() as tx:
        plan = await a_metered_plan(
            tx,
            a_charge(graduated((100, "0"), (None, "50"))),
            amount=1_000,
            billing=Billing(commitments=(Money(5_000, "EUR"),)),
        )
        made = await a_metered(tx, customer, plan, starts_at=start, now=start)
        await uses(tx, customer, 120, at=NOW - DAY)
    return made


def path_of(subscription, what):
    return f"/api/subscriptions/{ids.to_text('sub', subscription.id)}/{what}"


async def test_current_use_says_what_it_comes_to_and_why(ask, subscription):
    answer = await ask("GET", path_of(subscription, "usage"))
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    [charge] = data["charges"]
    assert (data["amount"], data["billed"], data["currency"]) == (1_000, 0, "EUR")
    assert (charge["charge"], charge["quantity"], charge["amount"], charge["group"]) == ("calls", "120", 1_000, {})
    assert "20 units (above 100) at 0.50 EUR" in charge["explanation"]


async def test_the_projected_bill_draws_a_line_and_rates_it_by_the_tiers(ask, subscription):
    data = (await ask("GET", path_of(subscription, "projected-bill"))).json()["data"]
    passed = (NOW - subscription.current_period.starts_at) / (
        subscription.current_period.ends_at - subscription.current_period.starts_at
    )
    projected = data["projected_use"]
    assert abs(projected - (120 / passed - 100) * 50) < 1
    assert (data["fee"], data["is_fee_billed"], data["use_so_far"], data["so_far"]) == (1_000, True, 1_000, 2_000)
    assert (data["missing"], data["projected_missing"]) == (3_000, 0)
    assert data["projected"] == 1_000 + projected


async def test_use_in_the_first_instant_of_a_period_is_seen_and_not_drawn_on(house, ask, open_tx, customer):
    """A sandbox's clock stands still: who subscribes there and then uses something, does both at one instant."""
    now = house.clock.now()
    async with open_tx() as tx:
        plan = await a_metered_plan(tx, a_charge(graduated((100, "0"), (None, "50"))), amount=1_000)
        made = await a_metered(tx, customer, plan, starts_at=now, now=now)
        await uses(tx, customer, 120, at=now)
    current = (await ask("GET", path_of(made, "usage"))).json()["data"]
    assert (current["amount"], current["charges"][0]["quantity"]) == (1_000, "120")
    projected = (await ask("GET", path_of(made, "projected-bill"))).json()["data"]
    assert (projected["use_so_far"], projected["projected_use"], projected["projected"]) == (1_000, 1_000, 2_000)


async def test_what_is_not_there_or_anothers_is_not_found(house, subscription):
    ask = await house.key_of(await new_tenant(house.database))
    for what in ("usage", "projected-bill"):
        assert (await ask("GET", path_of(subscription, what))).status_code == 404


async def test_credits_are_granted_listed_and_taken_back(ask, customer):
    path = "/api/customers/org_1/prepaid-credits"
    made = await ask("POST", path, {"amount": 500, "currency": "EUR", "name": "gift", "priority": 2})
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert (data["amount"], data["left"], data["is_usable"], data["is_paid"]) == (500, 500, True, False)
    assert data["id"].startswith("ppc_")
    assert data["customer_id"] == ids.to_text("cus", customer.id)
    assert (await ask("GET", path)).json()["data"] == [data]
    gone = await ask("DELETE", f"/api/prepaid-credits/{data['id']}")
    assert (gone.status_code, gone.json()["data"]["is_usable"]) == (200, False)
    assert (await ask("DELETE", f"/api/prepaid-credits/{data['id']}")).status_code == 409


async def test_credits_that_are_bought_come_with_an_invoice(ask, customer):
    made = await ask("POST", "/api/customers/org_1/prepaid-credits", {"amount": 500, "currency": "EUR", "paid": True})
    data = made.json()["data"]
    assert (data["is_paid"], data["is_usable"]) == (True, False)
    invoice = (await ask("GET", f"/api/invoices/{data['invoice_id']}")).json()["data"]
    assert (invoice["total"], invoice["status"]) == (500, "open")
    assert (await ask("DELETE", f"/api/prepaid-credits/{data['id']}")).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": 0, "currency": "EUR"}, "amount"),
        ({"amount": 5, "currency": "XXX"}, "currency"),
        ({"amount": 5, "currency": "EUR", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"amount": 5, "currency": "EUR", "priority": -1}, "priority"),
    ],
)
async def test_what_cannot_be_granted_names_its_field(ask, customer, body, field):
    answer = await ask("POST", "/api/customers/org_1/prepaid-credits", body)
    assert answer.status_code == 422, answer.text
    assert field in answer.text
