"""What was billed too much of use, given back of the lines that billed it."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from guilder.domain.invoicing.model import AppliedRate, LineKind, NewLine
from guilder.domain.invoicing.rules.billed import Billed, Part, of_each_line
from guilder.kernel.money import Money
from guilder.kernel.period import Period

VAT = AppliedRate(name="VAT", percent=Decimal(20))
LOW = AppliedRate(name="VAT", percent=Decimal(9))
JUNE = Period(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
WHOLE = Fraction(1)


def eur(minor):
    return Money(minor, "EUR")


def part(number, left, *, kept=WHOLE, rate=VAT):
    return Part(line_id=UUID(int=number), taxed_as=rate, kept=kept, left=eur(left))


def billed(amount, *parts, number=2):
    first = parts[0]
    left = sum((each.left for each in parts), start=eur(0))
    return Billed(
        amount=eur(amount),
        number=number,
        line_id=first.line_id,
        taxed_as=first.taxed_as,
        kept=first.kept,
        left=left,
        parts=parts,
    )


def a_line(known, total):
    return NewLine(
        kind=LineKind.USAGE_ADJUSTMENT,
        description="Corrected use",
        amount=known.back(eur(total) - known.amount),
        period=JUNE,
        taxed_as=known.taxed_as,
        credits_line_id=known.line_id,
        billed_item="use:late:3",
        explanation={"sentence": "The difference."},
    )


@pytest.mark.parametrize(
    ("parts", "total", "back"),
    [
        ([part(1, 1000), part(2, 600)], 1000, [(1, -600)]),
        ([part(1, 1000), part(2, 600)], 600, [(1, -1000)]),
        ([part(1, 1000), part(2, 600)], 100, [(1, -1000), (2, -500)]),
        ([part(1, 1000), part(2, 600)], 0, [(1, -1000), (2, -600)]),
        ([part(1, 0), part(2, 600)], 100, [(2, -600)]),
        ([part(1, 900, kept=Fraction(9, 10)), part(2, 300, kept=Fraction(1, 2))], 0, [(1, -900), (2, -300)]),
        ([part(1, 900, kept=Fraction(9, 10)), part(2, 300, kept=Fraction(1, 2))], 400, [(1, -900), (2, -100)]),
        ([part(1, 1000), part(2, 300, kept=Fraction(1, 2))], 300, [(1, -1000), (2, -150)]),
    ],
)
def test_no_line_gives_back_more_than_is_left_of_it(parts, total, back):
    known = billed(1600, *parts)
    made = of_each_line(a_line(known, total), known, eur(total))
    assert [(each.credits_line_id.int, each.amount.minor) for each in made] == back
    assert len({each.billed_item for each in made}) == len(made)


def test_of_what_comes_to_nothing_each_line_gives_all_that_it_has():
    """40, 5 and 1, each at two thirds and rounded; of the first, 5 were given back before."""
    known = billed(41, part(1, 24, kept=Fraction(27, 40)), part(2, 3, kept=Fraction(3, 5)), part(3, 1), number=4)
    made = of_each_line(a_line(known, 0), known, eur(0))
    assert [(each.credits_line_id.int, each.amount.minor) for each in made] == [(1, -24), (2, -3), (3, -1)]


def test_each_is_taxed_as_its_own_line_and_says_what_goes_back_of_it():
    known = billed(1600, part(1, 1000), part(2, 600, rate=LOW))
    first, second = of_each_line(a_line(known, 100), known, eur(100))
    assert (first.taxed_as, second.taxed_as) == (VAT, LOW)
    assert (second.explanation["left"], second.explanation["amount"]) == (500, -500)
    assert second.explanation["sentence"].endswith("5.00 EUR goes back of this one.")


@pytest.mark.parametrize(
    ("left", "total", "back"),
    [
        (369, 0, -369),  # 550 at 67 % are 368.5, and two roundings before left 369
        (372, 0, -369),  # more than roundings explain: not ours to give
        (369, 1, -368),
        (300, 0, -300),
        (None, 0, -369),
    ],
)
def test_of_what_comes_to_nothing_all_goes_back_with_what_rounding_kept(left, total, back):
    known = Billed(amount=eur(550), number=2, kept=Fraction(67, 100), left=None if left is None else eur(left))
    assert known.back(eur(total - 550)) == eur(back)


def test_a_line_that_charges_is_left_as_it_is():
    known = billed(1600, part(1, 1000), part(2, 600))
    line = a_line(known, 1000)
    assert of_each_line(None, known, eur(1600)) == []
    assert of_each_line(line, None, eur(1000)) == [line]
