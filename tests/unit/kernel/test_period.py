"""Periods: from the anchor, in the zone, half-open."""

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from guilder.kernel.period import Interval, Period, Unit, at_local, date_after, instant_after, period_number

ZONES = ["UTC", "Europe/Amsterdam", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
DATES = st.dates(date(1996, 1, 1), date(2060, 12, 31))
UNITS = st.sampled_from(list(Unit))
_ORACLE = {
    Unit.DAY: relativedelta(days=1),
    Unit.WEEK: relativedelta(weeks=1),
    Unit.MONTH: relativedelta(months=1),
    Unit.QUARTER: relativedelta(months=3),
    Unit.HALF_YEAR: relativedelta(months=6),
    Unit.YEAR: relativedelta(years=1),
}


@pytest.mark.parametrize(
    ("anchor", "interval", "steps", "expected"),
    [
        (date(2026, 1, 31), Interval(Unit.MONTH), 1, date(2026, 2, 28)),
        (date(2026, 1, 31), Interval(Unit.MONTH), 2, date(2026, 3, 31)),
        (date(2028, 1, 31), Interval(Unit.MONTH), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), Interval(Unit.YEAR), 1, date(2029, 2, 28)),
        (date(2028, 2, 29), Interval(Unit.YEAR), 4, date(2032, 2, 29)),
        (date(2026, 11, 30), Interval(Unit.QUARTER), 1, date(2027, 2, 28)),
        (date(2026, 8, 31), Interval(Unit.HALF_YEAR), 1, date(2027, 2, 28)),
        (date(2026, 1, 1), Interval(Unit.WEEK, 3), 2, date(2026, 2, 12)),
        (date(2026, 1, 1), Interval(Unit.DAY, 10), 3, date(2026, 1, 31)),
    ],
)
def test_steps_from_the_anchor(anchor, interval, steps, expected):
    assert date_after(anchor, interval, steps) == expected


@given(DATES, UNITS, st.integers(1, 5), st.integers(0, 300))
def test_steps_as_another_calendar_does(anchor, unit, count, steps):
    assert date_after(anchor, Interval(unit, count), steps) == anchor + _ORACLE[unit] * (count * steps)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(ZONES),
    UNITS,
    st.integers(0, 60),
)
def test_periods_tile_without_gap_or_overlap(anchor, zone, unit, number):
    one = period_number(anchor, ZoneInfo(zone), Interval(unit), number)
    next_one = period_number(anchor, ZoneInfo(zone), Interval(unit), number + 1)
    assert one.ends_at == next_one.starts_at
    assert one.starts_at < one.ends_at


@pytest.mark.parametrize(
    ("day", "clock", "zone", "expected"),
    [
        # The clock skips 02:00-03:00: what does not exist becomes the next instant that does.
        (date(2026, 3, 29), time(2, 30), "Europe/Amsterdam", "2026-03-29T01:00:00+00:00"),
        (date(2026, 3, 8), time(2, 30), "America/Los_Angeles", "2026-03-08T10:00:00+00:00"),
        # 02:30 comes twice: the first is meant.
        (date(2026, 10, 25), time(2, 30), "Europe/Amsterdam", "2026-10-25T00:30:00+00:00"),
        (date(2026, 6, 1), time(9, 0), "Asia/Kolkata", "2026-06-01T03:30:00+00:00"),
        # Samoa skipped the whole of 30 December 2011.
        (date(2011, 12, 30), time(12, 0), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
    ],
)
def test_finds_the_instant_of_a_local_time(day, clock, zone, expected):
    assert at_local(day, clock, ZoneInfo(zone)).isoformat() == expected


def test_keeps_the_local_time_of_day_over_the_change_of_clocks():
    amsterdam = ZoneInfo("Europe/Amsterdam")
    anchor = datetime(2026, 2, 15, 9, 0, tzinfo=amsterdam)
    local = [instant_after(anchor, amsterdam, Interval(Unit.MONTH), n).astimezone(amsterdam) for n in range(13)]
    assert {moment.time() for moment in local} == {time(9, 0)}
    assert {moment.day for moment in local} == {15}


def test_sixty_months_of_a_31_january():
    anchor = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    starts = [instant_after(anchor, ZoneInfo("UTC"), Interval(Unit.MONTH), n).date() for n in range(60)]
    assert starts == [date(2026, 1, 31) + relativedelta(months=n) for n in range(60)]
    assert starts[25] == date(2028, 2, 29)


def test_is_half_open_and_knows_what_is_left():
    day = datetime(2026, 1, 1, tzinfo=UTC)
    period = Period(day, day + timedelta(days=30))
    assert period.holds(day)
    assert not period.holds(period.ends_at)
    assert period.share_left(day + timedelta(days=10)) == Fraction(2, 3)
    assert period.share_left(day - timedelta(days=1)) == 1
    assert period.share_left(day + timedelta(days=31)) == 0


@pytest.mark.parametrize("ends_at", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)])
def test_refuses_to_end_before_it_starts(ends_at):
    with pytest.raises(AssertionError):
        Period(datetime(2026, 1, 1, tzinfo=UTC), ends_at)


def test_refuses_an_interval_of_nothing():
    with pytest.raises(AssertionError):
        Interval(Unit.MONTH, 0)
