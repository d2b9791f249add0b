"""The tables in docs/design/stripe.md are worked out again: what they say is what is done."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.gateways.adapters.stripe import declines, notices
from guilder.domain.gateways.adapters.stripe.amounts import (
    NOT_LISTED,
    NotChargeable,
    from_stripe_amount,
    to_stripe_amount,
)
from guilder.kernel.currency import EXPONENTS
from guilder.kernel.money import Money
from tests.support.fakes.stripe.money import check, worth

PAGE = (Path(__file__).parents[3] / "docs/design/stripe.md").read_text()


def table(first: str) -> list[list[str]]:
    """Return the rows of the table whose head begins so."""
    lines = PAGE.partition(f"| {first} |")[2].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def converted(money: Money) -> str:
    try:
        return str(to_stripe_amount(money))
    except NotChargeable as refusal:
        return refusal.code


@pytest.mark.shows("fault F5")
@pytest.mark.parametrize("row", table("amount"), ids=lambda row: row[0])
def test_amounts_are_as_the_page_says(row):
    shown, minor, stripes, _ = row
    number, currency = shown.split()
    assert int(minor) == Decimal(number).scaleb(EXPONENTS[currency]), "the row contradicts itself"
    assert converted(Money(int(minor), currency)) == stripes


@given(st.sampled_from(sorted(set(EXPONENTS) - NOT_LISTED)), st.integers(0, 10**9))
def test_an_amount_goes_there_and_back_or_not_at_all(currency, minor):
    try:
        sent = to_stripe_amount(Money(minor, currency))
    except NotChargeable:
        return
    assert from_stripe_amount(sent, currency.lower()) == Money(minor, currency)
    # The fake's own reading of Stripe's list, by which it keeps its journal.
    assert worth(sent, currency.lower()) == Decimal(minor).scaleb(-EXPONENTS[currency])


@pytest.mark.shows("fault F5")
@given(st.sampled_from(["EUR", "JPY", "KWD", "ISK", "UGX", "MGA", "BHD", "HUF", "TWD"]), st.integers(1, 10**7))
def test_what_is_sent_is_what_stripe_takes(currency, minor):
    if (sent := converted(Money(minor, currency))) != "amount_not_chargeable":
        check(int(sent), currency.lower())


def test_whole_amounts_of_every_currency_can_be_charged():
    for currency in set(EXPONENTS) - NOT_LISTED:
        assert converted(Money(7 * 10 ** EXPONENTS[currency], currency)).isdigit(), currency


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (True, "eur"),
        ("4900", "eur"),
        (49.0, "eur"),
        (-1, "eur"),
        (None, "eur"),
        (2**60, "eur"),
        (4900, ""),
        (4900, "xxx"),
        (4900, None),
        (1000, "iqd"),
        (501, "isk"),
        (550, "ugx"),
    ],
)
def test_what_is_no_amount_of_ours_is_none(amount, currency):
    assert from_stripe_amount(amount, currency) is None


def test_declines_are_as_the_page_says():
    rows = table("code")
    assert [row[0] for row in rows] == sorted(declines.REASONS)
    for code, said, why in rows:
        assert declines.is_hard({"code": "card_declined", "decline_code": code}) == (said == "hard"), code
        assert declines.is_hard({"code": code}) == (said == "hard"), code
        assert declines.REASONS[code] == why


@pytest.mark.parametrize(
    ("error", "is_hard"),
    [
        ({"code": "card_declined"}, False),
        ({"code": "card_declined", "decline_code": "never_heard_of"}, False),
        ({"code": "card_declined", "decline_code": "insufficient_funds", "advice_code": "try_again_later"}, False),
        ({"code": "card_declined", "decline_code": "do_not_honor", "advice_code": "do_not_try_again"}, True),
        ({"code": "card_declined", "decline_code": "generic_decline", "advice_code": "confirm_card_data"}, True),
        ({"code": "card_declined", "decline_code": "generic_decline", "network_advice_code": "03"}, True),
        ({"code": "card_declined", "decline_code": "generic_decline", "network_advice_code": "21"}, True),
        ({"code": "card_declined", "decline_code": "generic_decline", "network_advice_code": "02"}, False),
        ({"code": "card_declined", "decline_code": "lost_card", "advice_code": "try_again_later"}, True),
        ({}, False),
    ],
)
def test_advice_makes_a_decline_hard(error, is_hard):
    assert declines.is_hard(error) is is_hard


def test_disputes_are_as_the_page_says():
    assert {row[0]: row[1] for row in table("a dispute's status")} == {
        status: ours.value for status, ours in notices._DISPUTES.items()
    }
