"""The schedule of a message …"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.webhooks.rules import schedule

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MESSAGE = UUID("019ca945-2170-70ad-9000-000000000001")
# By hand, from the issue: after the 1st failure, the 2nd, and so on.
TABLE = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]


@pytest.mark.parametrize(("tries", "seconds"), list(enumerate(TABLE, start=1)))
def test_waits_as_the_table_says_a_tenth_more_or_less(tries, seconds):
    due = schedule.next_attempt(MESSAGE, tries=tries, failed_at=AT)
    assert timedelta(seconds=seconds * 0.9) <= due - AT <= timedelta(seconds=seconds * 1.1)


@pytest.mark.shows("SW schedule")
def test_is_over_after_ten_attempts_and_more_than_72_hours():
    assert schedule.next_attempt(MESSAGE, tries=10, failed_at=AT) is None
    assert schedule.ATTEMPTS_MAX == 10
    assert sum(TABLE) * 0.9 > 68 * 3600
    assert sum(schedule.WAITS, timedelta(0)) > timedelta(hours=72)


@given(st.uuids(), st.integers(1, 9))
def test_is_the_same_whoever_works_it_out(message, tries):
    first, second = (schedule.next_attempt(message, tries=tries, failed_at=AT) for _ in range(2))
    assert first == second


@pytest.mark.shows("SW schedule")
def test_spreads_what_failed_together():
    waits = {schedule.jittered(timedelta(hours=1), UUID(int=n), 4) for n in range(500)}
    assert len(waits) > 150
    assert min(waits) < timedelta(minutes=55) < timedelta(minutes=65) < max(waits)


@given(st.timedeltas(timedelta(0), timedelta(days=400)), st.integers(1, 9))
def test_heeds_what_a_receiver_asks_up_to_a_day(asked, tries):
    due = schedule.next_attempt(MESSAGE, tries=tries, failed_at=AT, retry_after=asked)
    alone = schedule.next_attempt(MESSAGE, tries=tries, failed_at=AT)
    assert due == max(alone, AT + min(asked, timedelta(hours=24)))


@pytest.mark.parametrize(
    ("since", "is_over"),
    [(None, False), (AT - timedelta(days=5) + timedelta(seconds=1), False), (AT - timedelta(days=5), True)],
)
def test_of_an_endpoint_is_over_after_five_days_of_failures(since, is_over):
    assert schedule.is_given_up(since, now=AT) is is_over
