"""When an account counts as down."""

from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.gateways.rules import outages

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
PAST = NOW - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "answers", "silences", "after"),
    [
        ((0, None), 1, 0, (0, None)),
        ((0, None), 0, 4, (4, None)),
        ((4, None), 0, 1, (5, SOON)),
        ((0, None), 0, 7, (7, SOON)),
        # One answer among many silences: it is not down.
        ((9, SOON), 1, 30, (0, None)),
        ((4, None), 1, 0, (0, None)),
        # It is down until then: what was on its way when it fell makes it no longer.
        ((5, SOON), 0, 3, (8, SOON)),
        # Its time is over, and it is silent still: twice as long, at most a quarter of an hour.
        ((9, PAST), 0, 1, (10, NOW + timedelta(minutes=2))),
        ((14, PAST), 0, 1, (15, NOW + timedelta(minutes=4))),
        ((500, PAST), 0, 1, (501, NOW + timedelta(minutes=15))),
    ],
)
def test_an_account_goes_down_by_silence_and_comes_up_by_any_answer(before, answers, silences, after):
    assert outages.after(*before, answers=answers, silences=silences, now=NOW) == after
