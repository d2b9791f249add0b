import pytest

CALLS = {"code": "calls", "name": "Calls", "aggregation": "count"}
TIERS = [
    {"up_to": "10", "unit_amount": "12.5", "flat_amount": "5"},
    {"up_to": None, "unit_amount": "0.000001"},
]
BILLING = {
    "alignment": "billing_day",
    "billing_day": 31,
    "in_arrears": True,
    "basis": "day_30",
    "interval_change": "keep",
    "trial_end": "pause",
    "trial_needs_method": True,
    "paused_time": "credit",
    "unused_on_cancel": "refund",
    "usage_interval": {"interval": "month", "interval_count": 1},
    "grace_days": 3,
    "collection": "send",
    "net_days": 14,
    "tax_category": "saas",
    "is_tax_inclusive": True,
    "commitments": [{"amount": 100, "currency": "EUR"}],
    "progressive": [{"amount": 500, "currency": "EUR"}, {"amount": 900, "currency": "EUR"}],
}
CHARGES = [
    {
        "code": "calls",
        "name": "Calls",
        "meter": "calls",
        "prices": [{"currency": "EUR", "model": "graduated", "tiers": TIERS, "cap_amount": 900}],
        "included": "2.5",
        "filters": {"region": ["eu", "us"]},
        "group_by": ["team"],
        "amount_property": "fee",
        "tax_category": "telecom",
    },
    {
        "code": "regions",
        "name": "Regions",
        "meter": "calls",
        "prices": [
            {
                "currency": "EUR",
                "model": "matrix",
                "unit_amount": "3",
                "dimensions": ["region", "size"],
                "cells": [{"values": {"size": "xl", "region": "eu"}, "unit_amount": "7"}],
            }
        ],
    },
]


def a_price(**over):
    return {"billing_cycle": "monthly", "amount": 3000, "currency": "EUR", **over}


def tiered(**over):
    return {"billing_cycle": "monthly", "currency": "EUR", "model": "graduated", "tiers": TIERS, **over}


def a_body(**over):
    return {"code": "pro", "name": "Pro", "prices": [a_price()], **over}


async def test_a_price_may_say_what_it_is_by_default(ask):
    # As clients made from the document send it.
    blank = {"unit_amount": None, "free_units": "0", "package_size": "1", "tiers": [], "percent": "0.0", "model": None}
    made = await ask("POST", "/api/plans", a_body(prices=[a_price(**blank, fixed_amount="0", free_events=0, cells=[])]))
    assert made.status_code == 201, made.text
    assert made.json()["data"]["prices"][0]["amount"] == 3000
    refused = await ask("POST", "/api/plans", a_body(code="more", prices=[a_price(**{**blank, "percent": "1"})]))
    assert (refused.status_code, refused.json()["code"]) == (422, "no_model")


async def test_a_plan_says_again_all_that_it_was_told(ask):
    assert (await ask("POST", "/api/meters", CALLS)).status_code == 201
    body = a_body(prices=[tiered()], billing=BILLING, charges=CHARGES, is_add_on=True)
    made = await ask("POST", "/api/plans", body)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert data == (await ask("GET", "/api/plans/pro")).json()["data"]
    assert data["billing"] == BILLING
    assert data["is_add_on"] is True
    [price] = data["prices"]
    assert (price["model"], price["amount"], price["currency"]) == ("graduated", 18, "EUR")
    assert price["tiers"] == [
        {"up_to": "10", "unit_amount": "12.5", "flat_amount": "5", "percent": "0"},
        {"up_to": None, "unit_amount": "0.000001", "flat_amount": "0", "percent": "0"},
    ]
    calls, regions = data["charges"]
    assert {name: calls[name] for name in CHARGES[0] if name != "prices"} == {
        name: said for name, said in CHARGES[0].items() if name != "prices"
    }
    assert (calls["prices"][0]["cap_amount"], calls["prices"][0]["tiers"]) == (900, price["tiers"])
    assert (regions["included"], regions["amount_property"], regions["filters"]) == ("0", None, {})
    assert regions["prices"][0]["cells"] == [{"values": {"region": "eu", "size": "xl"}, "unit_amount": "7"}]


async def test_a_plain_plan_is_billed_by_the_defaults(ask):
    data = (await ask("POST", "/api/plans", a_body())).json()["data"]
    assert data["billing"] == {
        "alignment": "anniversary",
        "billing_day": None,
        "in_arrears": False,
        "basis": "second",
        "interval_change": "reset",
        "trial_end": "invoice",
        "trial_needs_method": False,
        "paused_time": "keep",
        "unused_on_cancel": "nothing",
        "usage_interval": None,
        "grace_days": 0,
        "collection": "charge",
        "net_days": None,
        "tax_category": "",
        "is_tax_inclusive": False,
        "commitments": [],
        "progressive": [],
    }
    assert (data["charges"], data["is_add_on"]) == ([], False)
    assert (data["prices"][0]["model"], data["prices"][0]["amount"]) == (None, 3000)


@pytest.mark.parametrize(
    ("price", "amount", "unit_amount"),
    [
        (a_price(model="flat"), 3000, "3000"),
        (a_price(model="package", package_size="5"), 3000, "3000"),
        ({"billing_cycle": "monthly", "currency": "EUR", "model": "per_unit", "unit_amount": "0.5"}, 1, "0.5"),
    ],
)
async def test_a_price_of_an_amount_takes_either_spelling(ask, price, amount, unit_amount):
    [made] = (await ask("POST", "/api/plans", a_body(prices=[price]))).json()["data"]["prices"]
    assert (made["amount"], made["unit_amount"], made["model"]) == (amount, unit_amount, price["model"])


def with_charge(**over):
    return a_body(charges=[{**CHARGES[0], **over}])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (a_body(prices=[a_price(amount=None)]), "prices[0].amount"),
        (a_body(prices=[a_price(interval_count=3)]), "prices[0].interval_count"),
        (a_body(prices=[a_price(), a_price()]), "prices"),
        (a_body(prices=[a_price(unit_amount="1")]), "prices[0].unit_amount"),
        (a_body(prices=[a_price(model="flat", unit_amount="1")]), "prices[0]"),
        (a_body(prices=[tiered(amount=1)]), "prices[0].amount"),
        (a_body(prices=[a_price(model="package", unit_amount=1.5, amount=None)]), "prices[0].unit_amount"),
        (a_body(prices=[a_price(), tiered(billing_cycle="yearly", tiers=[])]), "prices[1].tiers"),
        (a_body(prices=[tiered(tiers=[{"up_to": "x"}])]), "prices[0].tiers[0].up_to"),
        (a_body(prices=[tiered(tiers=TIERS[:1])]), "prices[0].tiers[0].up_to"),
        (a_body(prices=[a_price(model="dynamic", amount=None)]), "prices[0].model"),
        (a_body(prices=[tiered(free_units="1")]), "prices[0].free_units"),
        (a_body(prices=[tiered(percent="-1")]), "prices[0].percent"),
        (a_body(billing={"alignment": "sometimes"}), "billing.alignment"),
        (a_body(billing={"billing_day": 32}), "billing.billing_day"),
        (a_body(billing={"billing_day": 3}), "billing.billing_day"),
        (a_body(billing={"usage_interval": {"interval": "week"}}), "billing.usage_interval"),
        (a_body(billing={"commitments": [{"amount": 0, "currency": "EUR"}]}), "billing.commitments[0].amount"),
        (a_body(billing={"unknown": 1}), "billing.unknown"),
        (with_charge(meter="nothing"), "charges[0].meter"),
        (with_charge(prices=[]), "charges[0].prices"),
        (with_charge(prices=[{"currency": "USD", "model": "per_unit", "unit_amount": "1"}]), "charges[0].prices"),
        (
            with_charge(prices=[{"currency": "EUR", "model": "percentage", "percent": "-1"}]),
            "charges[0].prices[0].percent",
        ),
        (with_charge(included="-1"), "charges[0].included"),
        (with_charge(filters={"region": []}), "charges[0].filters.region"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(ask, body, field):
    await ask("POST", "/api/meters", CALLS)
    answer = await ask("POST", "/api/plans", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert (await ask("GET", "/api/plans")).json()["data"] == []


async def test_a_product_has_a_tax_category(ask):
    body = {"code": "film", "name": "Film", "prices": [{"amount": 500, "currency": "EUR"}], "tax_category": "films"}
    made = (await ask("POST", "/api/products", {**body, "is_tax_inclusive": True})).json()["data"]
    assert (made["tax_category"], made["is_tax_inclusive"], made["prices"]) == ("films", True, body["prices"])
