"""Why an invoice is what it is, over HTTP; and what should have been billed and was not."""

from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids
from guilder.platform.auth.principal import Role
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.subscriptions import a_subscription


@pytest.fixture
async def subscription(open_tx, customer):
    """An active subscription whose first period nobody has billed."""
    async with open_tx() as tx:
        await catalog.set_default_tax_rate(tx, name="VAT", percent=Decimal(19), country="DE", legal_note="", now=NOW)
        return await a_subscription(tx, customer, await a_plan(tx), is_active=True)


async def billed(open_tx, subscription):
    async with open_tx() as tx:
        [invoice] = await invoicing.bill_periods(tx, begun=[subscription], issued_at=NOW, now=NOW)
    return invoice


async def test_every_part_of_a_line_is_told(ask, open_tx, subscription):
    invoice = await billed(open_tx, subscription)
    data = (await ask("GET", f"/api/invoices/{invoice.number}/explain")).json()["data"]
    [line] = data["lines"]
    period = {"starts_at": "2026-03-01T12:00:00Z", "ends_at": "2026-04-01T12:00:00Z"}
    if period["ends_at"] != line["period"]["ends_at"]:
        period["ends_at"] = "2026-04-01T11:00:00Z"  # where the clocks go forward in between
    assert {name: line[name] for name in line if name not in ("explanation", "inputs", "id", "period")} == {
        "kind": "recurring",
        "rule": "flat_fee_in_advance",
        "description": "Pro",
        "billed_item": f"sub:{subscription.id}:fee:2026-03-01T12:00:00+00:00",
        "full_period": None,
        "share": None,
        "tiers": [],
        "price": 3_000,
        "discounts": [],
        "amount": 3_000,
        "tax": 570,
        "tax_reason": {
            "percent": "19",
            "code": "standard",
            "exact": "570",
            "amount": 570,
            "is_inclusive": False,
            "rounding": "once_per_rate",
        },
        "rounding": "half_up",
        "is_reproduced": True,
        "sentence": line["sentence"],
    }
    assert line["period"] == period
    assert (line["inputs"]["unit_amount"], line["inputs"]["quantity"]) == (3_000, 1)
    assert "€30.00. Billed in advance. 19% tax is added: €5.70." in line["sentence"]
    assert data["walk"] == {
        "before_discounts": 3_000,
        "discount": 0,
        "subtotal": 3_000,
        "taxes": [{"percent": "19", "code": "standard", "net": 3_000, "exact": "570", "tax": 570, "legal_note": ""}],
        "tax": 570,
        "total": 3_570,
        "credit_applied": 0,
        "amount_paid": 0,
        "amount_credited": 0,
        "amount_due": 3_570,
    }
    assert data["sentence"] == (
        "The lines come to €30.00. 19% tax on €30.00 is €5.70. The total is €35.70. €35.70 is to be paid."
    )


async def test_it_is_told_in_the_customers_language(ask, open_tx, subscription):
    async with open_tx() as tx:
        other = await a_customer(tx, language="de")
        german = await a_subscription(tx, other, await a_plan(tx), is_active=True)
    invoice = await billed(open_tx, german)
    data = (await ask("GET", f"/api/invoices/{invoice.number}/explain")).json()["data"]
    assert "Im Voraus berechnet." in data["lines"][0]["sentence"]
    assert data["sentence"].startswith("Die Positionen ergeben 30,00\N{NO-BREAK SPACE}€.")


def path_of(subscription):
    return f"/api/subscriptions/{ids.to_text('sub', subscription.id)}/differences"


async def test_what_nobody_billed_is_told_to_staff(ask, open_tx, subscription):
    answer = await ask("GET", path_of(subscription))
    assert answer.status_code == 200, answer.text
    [found] = answer.json()["data"]["differences"]
    assert {name: found[name] for name in ("fault", "currency", "expected", "billed", "invoice_id")} == {
        "fault": "missing",
        "currency": "EUR",
        "expected": 3_000,
        "billed": None,
        "invoice_id": None,
    }
    heal = path_of(subscription).replace("differences", "heal")
    [healed] = (await ask("POST", heal)).json()["data"]
    assert (healed["subtotal"], healed["issued_at"]) == (3_000, found["period_start"])
    assert (await ask("GET", path_of(subscription))).json()["data"]["differences"] == []
    assert (await ask("POST", heal)).json()["data"] == [], "healing again bills nothing"


async def test_only_staff_that_bills_may_see_it(house, tenant, subscription):
    await house.trusts(tenant)
    member = await house.key_of(tenant, role=Role.MEMBER)
    assert (await member("GET", path_of(subscription))).status_code == 403
    assert (await member("POST", path_of(subscription).replace("differences", "heal"))).status_code == 403


async def test_another_tenants_subscription_is_as_unknown_as_none(house, ask, subscription):
    other = await house.key_of(await new_tenant(house.database))
    assert (await other("GET", path_of(subscription))).status_code == 404
    nobody = replace_id(subscription)
    assert (await ask("GET", nobody)).status_code == 404


def replace_id(subscription):
    return path_of(subscription).replace(ids.to_text("sub", subscription.id), "sub_00000000000000000000000000")


async def test_what_was_rolled_late_is_remembered_step_by_step(open_tx, subscription):
    async with open_tx() as tx:
        await subscriptions.roll_due(tx, refs=[subscription.ref], now=NOW.replace(month=6, day=15))
    async with open_tx() as tx:
        past = (await subscriptions.history(tx, refs=[subscription.ref]))[subscription.ref]
    starts = [f"{each.current_period.starts_at:%m-%d}" for each in past if each.status == "active"]
    assert starts == ["03-01", "04-01", "05-01", "06-01"]
