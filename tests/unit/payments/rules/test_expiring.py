"""When the customer of a card is told that it runs out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.payments.rules import expiring


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "month", "now", "expected"),
    [
        (2026, 5, "2026-01-01", "2026-05-02"),
        (2026, 5, "2026-05-02", "2026-05-25"),
        (2026, 5, "2026-05-24T23:59:59", "2026-05-25"),
        (2026, 5, "2026-05-25", None),
        (2026, 5, "2027-01-01", None),
        (2026, 12, "2026-01-01", "2026-12-02"),
        (2028, 2, "2026-01-01", "2028-01-31"),
        (0, 0, "2026-01-01", None),
        (2026, 13, "2026-01-01", None),
    ],
)
def test_warns_thirty_days_before_and_seven(year, month, now, expected):
    assert expiring.next_warning(year, month, now=at(now)) == (at(expected) if expected else None)


@pytest.mark.parametrize(
    ("now", "days"), [("2026-05-02", 30), ("2026-05-25", 7), ("2026-05-31T23:00:00", 1), ("2026-06-03", 0)]
)
def test_counts_the_day_that_has_begun(now, days):
    assert expiring.days_left(2026, 5, now=at(now)) == days


@given(st.integers(2020, 2100), st.integers(1, 12))
def test_a_card_is_good_to_the_end_of_its_month(year, month):
    end = expiring.ends_at(year, month)
    assert (end - timedelta(microseconds=1)).month == month
    assert end.day == 1


@given(st.integers(2020, 2100), st.integers(1, 12), st.integers(0, 400))
def test_each_warning_is_given_once(year, month, days_before):
    now, given_at = expiring.ends_at(year, month) - timedelta(days=days_before), []
    while (due := expiring.next_warning(year, month, now=now)) is not None:
        given_at.append(due)
        now = due
    assert len(given_at) == (days_before > 30) + (days_before > 7)
    assert given_at == sorted(set(given_at))
