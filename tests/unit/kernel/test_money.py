"""Money: exact, and split without loss."""

from decimal import Decimal
from fractions import Fraction

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.kernel.currency import EXPONENTS, exponent, is_currency
from guilder.kernel.money import Money, from_decimal, round_half_up, total, zero

AMOUNTS = st.integers(-(10**12), 10**12)
WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any)


def test_adds_up_in_whole_minor_units():
    assert Money(1999, "EUR") + Money(1, "EUR") - Money(500, "EUR") == Money(1500, "EUR")
    assert -Money(5, "EUR") == Money(-5, "EUR")
    assert Money(250, "EUR") * 3 == Money(750, "EUR")
    assert total([Money(1, "USD"), Money(2, "USD")], "USD") == Money(3, "USD")
    assert zero("JPY").is_zero


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1234, "EUR"), "12.34 EUR"),
        (Money(-5, "EUR"), "-0.05 EUR"),
        (Money(1234, "JPY"), "1234 JPY"),
        (Money(1234, "KWD"), "1.234 KWD"),
    ],
)
def test_is_written_with_its_currencys_digits(money, text):
    assert str(money) == text


@pytest.mark.shows("fault F5", "ASVS 2.2.3")
def test_refuses_to_mix_currencies():
    with pytest.raises(AssertionError):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.shows("ASVS 1.4.2", "fault F4")
@pytest.mark.parametrize("minor", [1.0, True, "1", 2**63, None])
def test_refuses_what_is_not_a_whole_number_of_64_bits(minor):
    with pytest.raises(AssertionError):
        Money(minor, "EUR")


@pytest.mark.shows("fault F5")
def test_refuses_a_currency_that_is_none():
    with pytest.raises(AssertionError):
        Money(1, "EURO")


@given(AMOUNTS, WEIGHTS)
def test_parts_add_up_to_the_whole(minor, weights):
    parts = Money(minor, "EUR").split(weights)
    assert len(parts) == len(weights)
    assert sum(part.minor for part in parts) == minor


@given(AMOUNTS, WEIGHTS)
def test_each_part_is_within_a_unit_of_its_share(minor, weights):
    for part, weight in zip(Money(minor, "EUR").split(weights), weights, strict=True):
        assert abs(part.minor - Fraction(minor * weight, sum(weights))) < 1


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [(Fraction(5, 2), 3), (Fraction(-5, 2), -3), (Fraction(7, 3), 2), (Fraction(-1, 3), 0), (Fraction(1, 2), 1)],
)
def test_rounds_halves_away_from_zero(exact, rounded):
    assert round_half_up(exact) == rounded


def test_takes_a_share_rounded_once():
    assert Money(1000, "EUR").times_half_up(Fraction(1, 3)) == Money(333, "EUR")
    assert Money(1999, "EUR").times_half_up(Decimal("0.21")) == Money(420, "EUR")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.345", "EUR", 1235), ("12", "JPY", 12), ("1.2345", "KWD", 1235), ("-0.005", "USD", -1)],
)
def test_reads_major_units(amount, currency, minor):
    assert from_decimal(Decimal(amount), currency) == Money(minor, currency)


@pytest.mark.shows("fault F5")
def test_knows_the_digits_of_every_iso_currency_it_takes():
    known = {each.code: each.exponent for each in iso4217.Currency}
    wrong = {code: (mine, known.get(code)) for code, mine in EXPONENTS.items() if known.get(code) != mine}
    assert not wrong
    assert exponent("ISK") == 0
    assert not is_currency("XAU"), "gold is not billed in"
