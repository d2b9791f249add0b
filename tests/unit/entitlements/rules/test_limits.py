"""Limits by hand: what is used whole, what is left, what is reached."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.entitlements.model import LimitLeft
from guilder.domain.entitlements.rules import limits
from tests.support.builders.identity import NOW


def a_limit(**over):
    return LimitLeft(**{"code": "c", "name": "C", "included": 10, "used": 0, "left": 10, "starts_at": NOW, **over})


# docs/design/entitlements.md repeats this table.
@pytest.mark.parametrize(
    ("included", "quantity", "used", "left", "is_over", "reached", "hard_allows"),
    [
        (10, "0", 0, 10, False, [], True),
        (10, "7.9", 8, 2, False, [], True),
        (10, "8", 8, 2, False, [80], True),
        (10, "9.5", 10, 0, False, [80], False),
        (10, "10", 10, 0, False, [80, 100], False),
        (10, "10.5", 11, 0, True, [80, 100], False),
        (10, "-3", 0, 10, False, [], True),
        (0, "0", 0, 0, False, [], False),
        (0, "1", 1, 0, True, [80, 100], False),
        (None, "1000", 1000, None, False, [], True),
    ],
)
def test_the_worked_table(included, quantity, used, left, is_over, reached, hard_allows):
    found = limits.counted(a_limit(included=included, is_hard=True), Decimal(quantity))
    assert (found.used, found.left, found.is_over) == (used, left, is_over)
    assert list(limits.reached(found)) == reached
    assert found.allows_more == hard_allows


@given(
    included=st.none() | st.integers(0, 10**6),
    quantity=st.decimals("-1000", "1000000", places=3),
)
def test_what_is_said_to_be_left_is_there(included, quantity):
    found = limits.counted(a_limit(included=included), quantity)
    if found.left:
        assert quantity + found.left <= included
    assert found.left is None or found.left >= 0
    assert found.is_over == (included is not None and quantity > included)
