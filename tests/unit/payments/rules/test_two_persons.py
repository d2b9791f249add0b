"""Two persons: when it takes them, and who may be the second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.payments.model import Limits
from guilder.domain.payments.rules.two_persons import (
    NotAPerson,
    SamePerson,
    check_second,
    is_bound,
    loosens,
    takes_two,
)
from guilder.kernel.money import Money

pytestmark = pytest.mark.shows("ASVS 2.3.5")


@pytest.mark.parametrize(
    ("limits", "amount", "alone", "is_over"),
    [
        ({}, 10**9, 0, False),
        ({"USD": 1}, 10**9, 0, False),
        ({"EUR": 5000}, 5000, 0, False),
        ({"EUR": 5000}, 5001, 0, True),
        ({"EUR": 5000}, 2500, 2500, False),
        ({"EUR": 5000}, 2501, 2500, True),
        ({"EUR": 0}, 1, 0, True),
    ],
)
def test_takes_two_above_the_limit_together_with_what_was_given_alone(limits, amount, alone, is_over):
    assert takes_two(limits, Money(amount, "EUR"), given_alone=alone) is is_over


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=30), st.integers(0, 3_000))
def test_slices_never_give_more_alone_than_one_gift_could(slices, limit):
    alone = 0
    for each in slices:
        if not takes_two({"EUR": limit}, Money(each, "EUR"), given_alone=alone):
            alone += each
    assert alone <= limit


@pytest.mark.parametrize(
    ("before", "after", "is_looser"),
    [
        ({}, {"EUR": 1}, False),
        ({"EUR": 100}, {"EUR": 100}, False),
        ({"EUR": 100}, {"EUR": 99}, False),
        ({"EUR": 100}, {"EUR": 101}, True),
        ({"EUR": 100}, {}, True),
        ({"EUR": 100}, {"EUR": 100, "USD": 5}, False),
        ({"EUR": 100, "USD": 5}, {"EUR": 1}, True),
    ],
)
def test_limits_are_loosened_by_more_and_by_leaving_out(before, after, is_looser):
    assert loosens(Limits(refunds=before), Limits(refunds=after)) is is_looser
    assert loosens(Limits(credits=before), Limits(credits=after)) is is_looser


def test_the_second_is_another_person_of_the_staff():
    check_second("staff:b", first={"staff:a"})
    for actor in ("api_key:k", "user:u", "system:x", "scheduler"):
        with pytest.raises(NotAPerson):
            check_second(actor, first={"staff:a"})
    with pytest.raises(SamePerson):
        check_second("staff:a", first={"api_key:k", "staff:a"})


def test_the_house_itself_is_not_bound():
    assert [is_bound(each) for each in ("staff:a", "api_key:k", "user:u")] == [True] * 3
    assert [is_bound(each) for each in ("scheduler", "group:payments", "system:s", "webhook:stripe")] == [False] * 4
