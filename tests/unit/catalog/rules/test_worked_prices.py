"""The table in docs/design/prices.md is worked out again: what it says is what is charged."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from guilder.domain.catalog.rules.rating import rate, with_included
from tests.unit.catalog.rules.prices import SHARES, THREE_TIERS, TWO_TIERS, D, matrix, model

PAGE = Path(__file__).parents[4] / "docs" / "design" / "prices.md"

PRICES = {
    "flat 3000": model("flat", unit_amount=D(3000)),
    "per unit 12.5": model("per_unit", unit_amount=D("12.5")),
    "per unit 0.0125": model("per_unit", unit_amount=D("0.0125")),
    "per unit 12.5, 10 free": model("per_unit", unit_amount=D("12.5"), free_units=D(10)),
    "graduated, two tiers": model("graduated", tiers=TWO_TIERS),
    "graduated, two tiers, 5 included": with_included(model("graduated", tiers=TWO_TIERS), D(5)),
    "graduated, three tiers": model("graduated", tiers=THREE_TIERS),
    "volume, two tiers": model("volume", tiers=TWO_TIERS),
    "volume, three tiers": model("volume", tiers=THREE_TIERS),
    "package of 100 at 999": model("package", unit_amount=D(999), package_size=D(100)),
    "package of 100 at 999, 50 free": model("package", unit_amount=D(999), package_size=D(100), free_units=D(50)),
    "percentage 1.4": model("percentage", percent=D("1.4")),
    "percentage 1.4 and 25 each": model("percentage", percent=D("1.4"), fixed_amount=D(25)),
    "percentage 1.4 and 25 each, 1000 of value free": model(
        "percentage", percent=D("1.4"), fixed_amount=D(25), free_value=D(1000)
    ),
    "percentage 1.4 and 25 each, 2 events free": model(
        "percentage", percent=D("1.4"), fixed_amount=D(25), free_events=2
    ),
    "shares": model("graduated_percentage", tiers=SHARES),
    "dynamic": model("dynamic"),
    "dynamic, 1 free": model("dynamic", free_units=D(1)),
    "matrix": matrix(),
    "matrix, 11 free": matrix(free_units=D(11)),
}


def rows():
    lines = PAGE.read_text().splitlines()
    start = lines.index("| price | use | arithmetic | exact | amount |")
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def use_of(text):
    """Read `10050 value, 3 events`, or the regions of a matrix."""
    numbers = re.findall(r"([\d.]+) (units|value|events)", text)
    if numbers:
        said = {{"units": "quantity"}.get(name, name): D(number) for number, name in numbers}
        return {"quantity": D(0), **said, "events": int(said.get("events", 0))}
    groups = {(("region", name),): D(number) for name, number in re.findall(r"(\w\w) (\d+)", text)}
    return {"quantity": sum(groups.values()), "groups": groups}


@pytest.mark.parametrize("row", rows(), ids=lambda row: ": ".join(row[:2]))
def test_a_price_comes_to_what_the_page_says(row):
    price, use, _, exact, amount = row
    found = rate(PRICES[price], **use_of(use), currency="EUR")
    assert found.exact == Fraction(exact)
    assert found.amount.minor == int(amount)
    assert sum(step.subtotal for step in found.steps) == found.exact


def test_every_price_of_the_page_is_tried():
    assert {row[0] for row in rows()} == set(PRICES)


@pytest.mark.parametrize(("currency", "written"), [("JPY", "38 JPY"), ("EUR", "0.38 EUR"), ("KWD", "0.038 KWD")])
def test_the_minor_unit_is_the_currencys_own(currency, written):
    assert str(rate(PRICES["per unit 12.5"], quantity=D(3), currency=currency).amount) == written
