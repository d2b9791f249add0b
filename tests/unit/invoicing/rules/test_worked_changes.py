"""The tables of docs/design/proration.md by each basis, of stubs, and of ends: worked out again."""

from datetime import datetime

import pytest

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing.rules import proration
from guilder.kernel.period import Period
from tests.unit.invoicing.rules.test_proration import JUNE, Books, amounts, at, net, terms
from tests.unit.invoicing.rules.test_worked_tables import table


def made_of(row_credit, row_charge):
    said = {"credit": int(row_credit), "charge": int(row_charge)}
    return {kind: amount for kind, amount in said.items() if amount}


@pytest.mark.parametrize("row", table("proration.md", "by basis"), ids=" ".join)
def test_by_each_basis(row):
    basis, days, when, credit, charge = row
    period = Period(*(datetime.fromisoformat(f"{day}T00:00+00:00") for day in days.split("/")))
    books = Books(terms(3_000), period=period)
    assert amounts(books.change(terms(6_000, basis=Basis(basis)), at(when))) == made_of(credit, charge)


@pytest.mark.parametrize("row", table("proration.md", "stub basis"), ids=" ".join)
def test_a_stub(row):
    basis, when, credit, charge = row
    books = Books(terms(3_000), fee=2_000, period=Period(at("2026-06-11 00:00"), JUNE.ends_at), full=JUNE)
    assert amounts(books.change(terms(6_000, basis=Basis(basis)), at(when))) == made_of(credit, charge)


@pytest.mark.parametrize("row", table("proration.md", "end basis"), ids=" ".join)
def test_an_end(row):
    basis, when, back = row
    books = Books(terms(3_000, basis=Basis(basis)))
    assert net(proration.unused(books.subscription, standing=books.standing, cause="end", at=at(when))) == -int(back)
