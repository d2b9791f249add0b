"""Which backups are kept: the newest of each of the last days, weeks and months."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.keeping import Keep, kept, parsed

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def daily(count):
    return [NOON - timedelta(days=n) for n in range(count)]


def test_keeps_a_week_of_days_five_weeks_and_twelve_months_of_a_backup_a_day():
    left = sorted(kept(daily(800), Keep(7, 5, 12)), reverse=True)
    assert [f"{at:%m-%d}" for at in left[:7]] == ["11-21", "11-20", "11-19", "11-18", "11-17", "11-16", "11-15"]
    assert [f"{at:%m-%d}" for at in left[7:10]] == ["11-08", "11-01", "10-31"], "Sundays, and the last of October"
    assert f"{left[-1]:%Y-%m-%d}" == "2025-12-31"
    # 7 days; of 5 weeks the one of 21 and of 15 November are among them; of 12 months November is.
    assert len(left) == 7 + 3 + 11


def test_the_newest_of_a_day_stands_for_it():
    assert kept([NOON, NOON - timedelta(hours=1)], Keep(1, 0, 0)) == {NOON}


def test_days_without_a_backup_are_not_counted():
    old = NOON - timedelta(days=90)
    assert kept([NOON, old], Keep(2, 0, 0)) == {NOON, old}


def naive(taken, keep):
    """Ask of each backup by itself: is it the newest of its span, and are there fewer than so many newer spans."""

    def stands(at, count, span):
        newer = {span(other) for other in taken if span(other) > span(at)}
        return len(newer) < count and at == max(other for other in taken if span(other) == span(at))

    spans = (
        (keep.daily, lambda at: at.toordinal()),
        (keep.weekly, lambda at: (at.toordinal() - 1) // 7),
        (keep.monthly, lambda at: at.year * 12 + at.month),
    )
    return {at for at in taken if at == max(taken) or any(stands(at, count, span) for count, span in spans)}


@given(
    st.lists(st.integers(0, 20_000).map(lambda hours: NOON - timedelta(hours=hours)), unique=True, max_size=40),
    st.builds(Keep, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
def test_is_what_a_look_at_each_by_itself_says(taken, keep):
    assert kept(taken, keep) == naive(taken, keep)


def test_reads_a_rule():
    assert parsed("daily=7, monthly=12") == Keep(7, 0, 12)


@pytest.mark.parametrize("rule", ["", "daily", "daily=0", "hourly=3", "daily=-1", "daily=7;weekly=5"])
def test_refuses_a_rule_that_says_nothing_or_keeps_nothing(rule):
    with pytest.raises(BackupTrouble, match="--keep"):
        parsed(rule)
