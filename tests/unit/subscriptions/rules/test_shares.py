"""Shares: by what a part of a period is measured."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.catalog.model import Basis
from guilder.domain.subscriptions.rules.shares import measure
from guilder.kernel.period import Interval, Period, Unit, period_number

MONTH = Interval(Unit.MONTH)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def period(start, end, zone="UTC"):
    return Period(at(start, zone), at(end, zone))


def check(basis, part, full, expected, *, zone="UTC", interval=MONTH, **more):
    found = measure(
        basis, part=period(*part, zone), full=period(*full, zone), interval=interval, zone=ZoneInfo(zone), **more
    )
    assert (found.numerator, found.denominator, found.unit) == expected


JUNE = ("2026-06-01", "2026-07-01")
FEBRUARY = ("2026-02-01", "2026-03-01")


@pytest.mark.parametrize(
    ("part", "full", "expected"),
    [
        (("2026-06-01", "2026-06-16T15:00"), JUNE, (15, 30, "day")),
        (("2026-06-16T15:00", "2026-07-01"), JUNE, (15, 30, "day")),  # the day of the change is the new plan's
        (("2026-06-16T15:00", "2026-06-16T18:00"), JUNE, (0, 30, "day")),
        (("2026-02-15", "2026-03-01"), FEBRUARY, (14, 28, "day")),
        (("2026-06-10", "2026-07-20"), JUNE, (21, 30, "day")),
    ],
)
def test_by_days(part, full, expected):
    check(Basis.DAY, part, full, expected)


@pytest.mark.parametrize(("zone", "days"), [("UTC", 14), ("Europe/Amsterdam", 15), ("America/Los_Angeles", 15)])
def test_days_are_local_dates(zone, days):
    # In Amsterdam it is 00:30 of the 16th by then; in Los Angeles the period began on 31 May.
    said = measure(
        Basis.DAY,
        part=period("2026-06-01", "2026-06-15T22:30"),
        full=period(*JUNE),
        interval=MONTH,
        zone=ZoneInfo(zone),
    )
    assert (said.numerator, said.denominator) == (days, 30)


@pytest.mark.parametrize(
    ("until", "used", "left"),
    [
        ("2026-06-16T15:00", 16, 14),  # the 16th counts as used
        ("2026-06-16", 15, 15),  # at its very midnight nothing of it was
        ("2026-06-30T23:59", 30, 0),
        ("2026-06-01T00:01", 1, 29),
    ],
)
def test_the_day_of_termination_counts_as_used(until, used, left):
    check(Basis.DAY, ("2026-06-01", until), JUNE, (used, 30, "day"), is_last_day_used=True)
    check(Basis.DAY, (until, "2026-07-01"), JUNE, (left, 30, "day"), is_last_day_used=True)


@pytest.mark.parametrize(
    ("full", "cut", "used"),
    [
        (("2026-01-01", "2026-02-01"), "2026-01-16", 15),
        (("2026-01-01", "2026-02-01"), "2026-01-31", 29),  # the 31st is the 30th
        (FEBRUARY, "2026-02-15", 14),
        (FEBRUARY, "2026-02-28", 27),  # the last of February is worth what is missing: 3 days
        (("2028-02-01", "2028-03-01"), "2028-02-29", 28),
        (("2026-01-31", "2026-02-28"), "2026-02-15", 15),
        (("2026-01-31", "2026-02-28"), "2026-02-27", 27),
        (("2026-02-28", "2026-03-31"), "2026-03-15", 15),  # begun on the 30th, as it were: its anchor is the 31st
        (("2026-02-28", "2026-03-28"), "2026-03-15", 17),  # begun on the 28th: February had three days more
        (("2026-01-15", "2026-02-15"), "2026-02-01", 16),
        (("2026-04-30", "2026-05-31"), "2026-05-31", 30),
    ],
)
def test_by_months_of_thirty_days(full, cut, used):
    if cut != full[1]:
        check(Basis.DAY_30, (full[0], cut), full, (used, 30, "day_30"))
        check(Basis.DAY_30, (cut, full[1]), full, (30 - used, 30, "day_30"))


@pytest.mark.parametrize(
    ("interval", "full", "expected"),
    [
        (Interval(Unit.YEAR), ("2026-01-01", "2027-01-01"), (90, 360, "day_30")),
        (Interval(Unit.QUARTER), ("2026-01-01", "2026-04-01"), (90, 90, "day_30")),
        (Interval(Unit.MONTH, 5), ("2026-01-01", "2026-06-01"), (90, 150, "day_30")),
    ],
)
def test_longer_intervals_count_thirty_for_each_month(interval, full, expected):
    if full[1] != "2026-04-01":
        check(Basis.DAY_30, (full[0], "2026-04-01"), full, expected, interval=interval)
    else:
        check(Basis.DAY_30, full, full, (1, 1, "period"), interval=interval)


def test_weeks_have_their_real_days_even_so():
    week = ("2026-06-01", "2026-06-08")
    check(Basis.DAY_30, ("2026-06-01", "2026-06-03"), week, (2, 7, "day"), interval=Interval(Unit.WEEK))


def test_by_seconds_a_month_is_as_long_as_it_is():
    march = ("2026-03-01", "2026-04-01")
    hour = 3_600_000_000
    check(
        Basis.SECOND,
        ("2026-03-29", "2026-04-01"),
        march,
        ((3 * 24 - 1) * hour, (31 * 24 - 1) * hour, "microsecond"),
        zone="Europe/Amsterdam",
    )


def test_nothing_and_the_whole_difference():
    part = ("2026-06-16", "2026-07-01")
    check(Basis.NONE, part, JUNE, (0, 1, "period"))
    check(Basis.NONE, JUNE, JUNE, (1, 1, "period"))
    check(Basis.DIFFERENCE, part, JUNE, (1, 1, "period"))
    half = 15 * 86_400_000_000
    check(Basis.DIFFERENCE, part, JUNE, (half, 2 * half, "microsecond"), is_stub=True)


@given(
    st.sampled_from([Basis.SECOND, Basis.DAY, Basis.DAY_30]),
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.builds(Interval, st.sampled_from(list(Unit)), st.integers(1, 3)),
    st.sampled_from(["UTC", "Europe/Amsterdam", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Apia"]),
    st.lists(st.fractions(0, 1), max_size=6),
    st.integers(0, 40),
)
def test_the_parts_of_a_period_add_up_to_it(basis, anchor, interval, zone, cuts, number):
    zone = ZoneInfo(zone)
    full = period_number(anchor, zone, interval, number)
    parts = _parts(full, cuts)
    measures = [measure(basis, part=part, full=full, interval=interval, zone=zone) for part in parts]
    assert all(0 <= each.share <= 1 for each in measures)
    assert sum((each.share for each in measures), Fraction(0)) == 1


@given(
    st.sampled_from([Basis.DAY, Basis.DAY_30]),
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.fractions(0, 1),
    st.integers(0, 40),
)
def test_what_is_used_and_what_is_left_at_a_termination_add_up(basis, anchor, cut, number):
    full = period_number(anchor, AMSTERDAM, MONTH, number)
    shares = [
        measure(basis, part=part, full=full, interval=MONTH, zone=AMSTERDAM, is_last_day_used=True).share
        for part in _parts(full, [cut])
    ]
    assert sum(shares, Fraction(0)) == 1


def _parts(full, cuts):
    length = (full.ends_at - full.starts_at) // timedelta(microseconds=1)
    inner = sorted({full.starts_at + timedelta(microseconds=int(cut * length)) for cut in cuts})
    instants = [full.starts_at, *(each for each in inner if full.holds(each) and each != full.starts_at), full.ends_at]
    return [Period(one, other) for one, other in pairwise(instants)]
