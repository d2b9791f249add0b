"""The tables in docs/design are worked out again: what they say is what is done."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import pytest

from guilder.domain.invoicing.model import AppliedRate, Credit
from guilder.domain.invoicing.rules import crediting, totals
from guilder.kernel.money import Money
from tests.unit.invoicing.rules.test_proration import JUNE, Books, amounts, terms

DESIGN = Path(__file__).parents[4] / "docs" / "design"


def table(page, first_column):
    """Read the rows of the table whose first heading is this."""
    lines = (DESIGN / page).read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert len(rows) > 3, (page, first_column)
    return rows


@pytest.mark.parametrize("row", table("proration.md", "changed at"), ids=lambda row: " ".join(row[:3]))
def test_a_change_in_june(row):
    at = datetime.fromisoformat(f"{row[0]}+00:00")
    old, new, credit, charge, net = (int(row[n]) for n in (1, 2, 4, 5, 6))
    assert JUNE.share_left(at) == Fraction(row[3])
    kinds = {"credit": credit, "charge": charge}
    made = amounts(Books(terms(old)).change(terms(new, name="New"), at))
    assert made == {kind: amount for kind, amount in kinds.items() if amount}
    assert credit + charge == net


@pytest.mark.parametrize("row", table("invoices.md", "net of the lines"), ids=lambda row: " ".join(row[:2]))
def test_tax_by_rate(row):
    nets, taxes = ([int(each) for each in row[n].split(",")] for n in (0, 2))
    percent = Decimal(row[1])
    rate = AppliedRate(name="VAT", percent=percent)
    worked = totals.of([totals.Taxable(Money(net, "EUR"), rate) for net in nets], currency="EUR")
    assert [each.minor for each in worked.line_taxes] == taxes
    assert worked.tax.minor == int(row[3])
    assert sum(totals.tax_of(net, percent) for net in nets) == int(row[4])


@pytest.mark.parametrize("row", table("tax.md", "gross of the lines"), ids=lambda row: " ".join(row[:2]))
def test_prices_that_contain_their_tax(row):
    gross, nets, taxes = ([int(each) for each in row[n].split(",")] for n in (0, 2, 3))
    rate = AppliedRate(name="VAT", percent=Decimal(row[1]))
    priced = [totals.Taxable(eur(each), rate, is_inclusive=True) for each in gross]
    worked = totals.of(priced, currency="EUR")
    assert [each.minor for each in worked.nets] == nets
    assert [each.minor for each in worked.line_taxes] == taxes
    assert worked.tax.minor == int(row[4])


@pytest.mark.parametrize("row", table("credit.md", "credit"), ids=lambda row: " ".join(row[:2]))
def test_what_credit_pays(row):
    held = [a_credit(int(each)) for each in row[0].split(",")]
    drawn = crediting.draw(held, eur(int(row[1])))
    after = {credit.id: credit for credit, _ in drawn}
    taken = sum(amount.minor for _, amount in drawn)
    assert (taken, int(row[1]) - taken) == (int(row[2]), int(row[3]))
    assert [after.get(each.id, each).left.minor for each in held] == [int(each) for each in row[4].split(",")]


def eur(minor):
    return Money(minor, "EUR")


def a_credit(minor):
    return Credit(
        tenant_id=uuid4(),
        id=uuid4(),
        customer_id=uuid4(),
        amount=eur(minor),
        left=eur(minor),
        granted_at=datetime(2026, 1, 1, tzinfo=UTC),
        reason="",
    )
