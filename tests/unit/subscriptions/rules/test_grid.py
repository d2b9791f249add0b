"""Grids: which date a full period begins on, and which period holds an instant."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil import rrule
from dateutil.relativedelta import MO, relativedelta
from hypothesis import given, settings
from hypothesis import strategies as st

from guilder.domain.catalog.model import Alignment, Billing
from guilder.domain.subscriptions.rules import grid
from guilder.kernel.period import Interval, Unit

CALENDAR = Billing(alignment=Alignment.CALENDAR)
ANNIVERSARY = Billing()
UTC_ZONE = ZoneInfo("UTC")
# One of each kind: no DST, DST in both hemispheres, by half an hour, at midnight, a date that was skipped, a date that
# came twice, and one that is not whole hours from UTC.
ZONES = [
    "UTC",
    "Europe/Amsterdam",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "America/Havana",
]
CENTURY = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
BILLINGS = st.one_of(
    st.just(ANNIVERSARY),
    st.just(CALENDAR),
    st.builds(lambda day: Billing(alignment=Alignment.BILLING_DAY, billing_day=day), st.integers(1, 31)),
)
INTERVALS = st.builds(Interval, st.sampled_from(list(Unit)), st.integers(1, 4))


def on_day(day):
    return Billing(alignment=Alignment.BILLING_DAY, billing_day=day)


def local(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("unit", "start", "full_from"),
    [
        (Unit.DAY, "2026-03-11T15:00", "2026-03-11"),
        (Unit.WEEK, "2026-03-11T15:00", "2026-03-16"),
        (Unit.WEEK, "2026-03-16T15:00", "2026-03-16"),
        (Unit.MONTH, "2026-03-11T15:00", "2026-04-01"),
        (Unit.MONTH, "2026-03-01T15:00", "2026-03-01"),
        (Unit.QUARTER, "2026-03-11T15:00", "2026-04-01"),
        (Unit.QUARTER, "2026-11-11T15:00", "2027-01-01"),
        (Unit.HALF_YEAR, "2026-03-11T15:00", "2026-07-01"),
        (Unit.YEAR, "2026-03-11T15:00", "2027-01-01"),
        (Unit.YEAR, "2026-01-01T00:00", "2026-01-01"),
    ],
)
def test_the_calendars_first_full_period(unit, start, full_from):
    anchor = grid.anchor_for(CALENDAR, Interval(unit), local(start), UTC_ZONE)
    assert anchor == local(full_from)


@pytest.mark.parametrize(
    ("day", "start", "interval", "stub_until", "then"),
    [
        (15, "2026-03-11T15:00", Interval(Unit.MONTH), "2026-03-15", ["2026-04-15", "2026-05-15"]),
        (15, "2026-03-15T15:00", Interval(Unit.MONTH), "2026-04-15", ["2026-05-15", "2026-06-15"]),
        (10, "2026-03-11T15:00", Interval(Unit.MONTH), "2026-04-10", ["2026-05-10", "2026-06-10"]),
        (31, "2026-02-10T15:00", Interval(Unit.MONTH), "2026-02-28", ["2026-03-31", "2026-04-30"]),
        (31, "2026-02-28T15:00", Interval(Unit.MONTH), "2026-03-31", ["2026-04-30", "2026-05-31"]),
        (31, "2026-04-10T15:00", Interval(Unit.QUARTER), "2026-04-30", ["2026-07-31", "2026-10-31"]),
        (30, "2026-02-10T15:00", Interval(Unit.YEAR), "2026-02-28", ["2027-02-28", "2028-02-29"]),
        (29, "2026-02-10T15:00", Interval(Unit.YEAR), "2026-02-28", ["2027-02-28", "2028-02-29"]),
    ],
)
def test_a_fixed_day_keeps_its_number_in_every_month(day, start, interval, stub_until, then):
    anchor = grid.anchor_for(on_day(day), interval, local(start), UTC_ZONE)
    here = grid.place(anchor, UTC_ZONE, interval, local(start))
    assert (here.period.starts_at, here.period.ends_at) == (local(start), local(stub_until))
    ends = []
    for _ in then:
        here = grid.place_after(here.number, anchor, UTC_ZONE, interval, here.period.ends_at)
        ends.append(here.period.ends_at)
        assert here.full is None
    assert ends == [local(each) for each in then]


def test_a_day_of_the_month_means_nothing_to_weeks():
    start = local("2026-03-11T15:00")
    assert grid.anchor_for(on_day(15), Interval(Unit.WEEK), start, UTC_ZONE) == start
    assert not grid.is_aligned(on_day(15), Interval(Unit.WEEK))


def test_a_month_begun_within_is_a_stub_of_the_month_that_holds_it():
    kolkata = ZoneInfo("Asia/Kolkata")
    start = local("2026-03-11T09:30", "Asia/Kolkata")
    anchor = grid.anchor_for(CALENDAR, Interval(Unit.MONTH), start, kolkata)
    here = grid.place(anchor, kolkata, Interval(Unit.MONTH), start)
    assert here.number == -1
    assert here.period.ends_at == local("2026-04-01T00:00", "Asia/Kolkata")
    assert (here.full.starts_at, here.full.ends_at) == (
        local("2026-03-01T00:00", "Asia/Kolkata"),
        local("2026-04-01T00:00", "Asia/Kolkata"),
    )


def test_los_angeles_keeps_its_midnight_through_the_change_of_clocks():
    zone = ZoneInfo("America/Los_Angeles")
    anchor = grid.anchor_for(CALENDAR, Interval(Unit.MONTH), local("2026-01-10T12:00", zone.key), zone)
    starts = [grid.period_at(anchor, zone, Interval(Unit.MONTH), local(f"2026-{m:02}-15"))[1] for m in range(1, 13)]
    assert {each.starts_at.astimezone(zone).time() for each in starts} == {time(0)}
    march, november = starts[2], starts[10]
    assert march.ends_at - march.starts_at == timedelta(days=31, hours=-1)
    assert november.ends_at - november.starts_at == timedelta(days=30, hours=1)


def test_a_midnight_that_does_not_exist_on_the_first_day_is_still_midnight_on_the_others():
    # In Cairo the clock skips 00:00 of the last Friday of April.
    zone = ZoneInfo("Africa/Cairo")
    start = local("2026-04-23T10:00", zone.key)
    anchor = grid.anchor_for(on_day(24), Interval(Unit.MONTH), start, zone)
    here = grid.place(anchor, zone, Interval(Unit.MONTH), start)
    assert here.period.ends_at.astimezone(zone).time() == time(1), "the first instant of that date"
    here = grid.place_after(here.number, anchor, zone, Interval(Unit.MONTH), here.period.ends_at)
    assert here.period.ends_at.astimezone(zone).time() == time(0)
    assert here.full is None


def test_a_zone_whose_rules_were_changed_makes_no_stub():
    zone, month = ZoneInfo("Europe/Amsterdam"), Interval(Unit.MONTH)
    anchor = local("2026-01-01", zone.key)
    for shift in (timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=30)):
        old_end = local("2026-05-01", zone.key) + shift
        here = grid.place_after(3, anchor, zone, month, old_end)
        assert (here.number, here.full) == (4, None)
        assert (here.period.starts_at, here.period.ends_at) == (old_end, local("2026-06-01", zone.key))


@pytest.mark.parametrize(
    ("start", "days", "later"),
    [
        ("2026-10-01T00:00", 30, "2026-10-31T00:00"),  # the clock goes back on the 25th
        ("2026-03-15T18:30", 14, "2026-03-29T18:30"),  # and forward on the 29th
        ("2026-03-15T02:30", 14, "2026-03-29T03:00"),  # when there is no such time
        ("2026-10-25T02:30", 0, "2026-10-25T02:30"),
    ],
)
def test_days_later_it_is_the_same_time_of_day(start, days, later):
    berlin = ZoneInfo("Europe/Berlin")
    assert grid.days_later(local(start, "Europe/Berlin"), berlin, days) == local(later, "Europe/Berlin")


def test_a_date_that_a_zone_skipped_has_no_period():
    # Samoa went from 29 to 31 December 2011.
    zone, day = ZoneInfo("Pacific/Apia"), Interval(Unit.DAY)
    anchor = local("2011-12-28", zone.key)
    here = grid.place(anchor, zone, day, anchor)
    found = [here := grid.place_after(here.number, anchor, zone, day, here.period.ends_at) for _ in range(3)]
    assert [each.period.starts_at.astimezone(zone).day for each in found] == [29, 31, 1]
    assert all(one.period.ends_at == other.period.starts_at for one, other in pairwise(found))


def dates_by_another_calendar(billing, interval, start: date, until: date) -> list[date]:
    """Work out the dates on which full periods begin, by dateutil."""
    unit, count = interval.unit, interval.count
    if billing.alignment is Alignment.CALENDAR and unit is Unit.WEEK:
        first = start + relativedelta(weekday=MO(1))
        return [each.date() for each in rrule.rrule(rrule.WEEKLY, interval=count, dtstart=midnight(first), until=until)]
    months = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}[unit]
    starting = {1: range(1, 13), 3: (1, 4, 7, 10), 6: (1, 7), 12: (1,)}[months]
    day = billing.billing_day or 1
    every = rrule.rrule(
        rrule.MONTHLY,
        dtstart=midnight(start),
        bymonth=tuple(starting) if billing.alignment is Alignment.CALENDAR else None,
        bymonthday=range(28, day + 1) if day > 28 else day,
        bysetpos=-1,  # the last of them that the month has
        until=until,
    )
    # By a fixed day the first such month is where the steps of the interval begin.
    step = count if billing.alignment is Alignment.CALENDAR else months * count
    return [each.date() for each in every][::step]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(0))


@settings(max_examples=300)
@given(
    st.datetimes(datetime(1996, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),
    BILLINGS.filter(lambda billing: billing.alignment is not Alignment.ANNIVERSARY),
    st.builds(Interval, st.sampled_from([Unit.MONTH, Unit.QUARTER, Unit.HALF_YEAR, Unit.YEAR]), st.integers(1, 3)),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/Los_Angeles"]),
)
def test_full_periods_begin_on_the_dates_of_another_calendar(start, billing, interval, zone):
    zone = ZoneInfo(zone)
    expected = dates_by_another_calendar(
        billing, interval, start.astimezone(zone).date(), start.replace(tzinfo=None) + timedelta(days=365 * 12)
    )
    anchor = grid.anchor_for(billing, interval, start, zone)
    found, at = [], at_midnight(expected[0], zone)
    for _ in expected:
        _, full = grid.period_at(anchor, zone, interval, at)
        found.append(full.starts_at.astimezone(zone).date())
        at = full.ends_at
    assert found == expected


def at_midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)


@given(CENTURY, st.sampled_from(ZONES), BILLINGS, INTERVALS, st.integers(-3, 1200))
def test_one_period_holds_each_instant(start, zone, billing, interval, days):
    zone, at = ZoneInfo(zone), start + timedelta(days=days)
    anchor = grid.anchor_for(billing, interval, start, zone)
    number, full = grid.period_at(anchor, zone, interval, at)
    assert full.holds(at)
    assert grid.period_at(anchor, zone, interval, full.ends_at)[1].starts_at == full.ends_at
    assert grid.period_at(anchor, zone, interval, full.starts_at) == (number, full)


@settings(max_examples=60, deadline=None)
@given(CENTURY, st.sampled_from(ZONES), BILLINGS, INTERVALS)
def test_periods_tile_from_the_start_on_in_every_alignment(start, zone, billing, interval):
    tile(start, ZoneInfo(zone), billing, interval, steps=150)


def tile(start, zone, billing, interval, *, steps):
    anchor = grid.anchor_for(billing, interval, start, zone)
    here = grid.place(anchor, zone, interval, start)
    assert here.period.starts_at == start, "the first one begins with the subscription"
    for _ in range(steps):
        following = grid.place_after(here.number, anchor, zone, interval, here.period.ends_at)
        assert following.period.starts_at == here.period.ends_at, "without gap or overlap"
        assert following.full is None, "only what somebody begins within a period is a stub"
        assert following.number > here.number
        here = following
    return here.period.ends_at


@pytest.mark.slow
@pytest.mark.parametrize("zone", sorted(available_timezones()))
def test_periods_tile_over_a_hundred_years_in_every_zone(zone):
    """Days are walked one by one; longer intervals as often as they fit into the century."""
    begin = datetime(1990, 1, 31, 22, 30, tzinfo=UTC)
    fitting = {Unit.DAY: 36_525, Unit.WEEK: 5_218, Unit.MONTH: 1_200, Unit.QUARTER: 400, Unit.HALF_YEAR: 200}
    for unit in Unit:
        for billing in (ANNIVERSARY, CALENDAR, on_day(31)):
            if unit is Unit.DAY and billing is not CALENDAR:
                continue  # a daily grid differs by its time of day alone, and midnight is the hardest
            reached = tile(begin, ZoneInfo(zone), billing, Interval(unit), steps=fitting.get(unit, 100))
            assert reached > begin + timedelta(days=36_500)


@pytest.mark.parametrize("unit", [Unit.YEAR, Unit.HALF_YEAR])
def test_intervals_of_centuries_have_a_billing_day(unit):
    billing, start = Billing(alignment=Alignment.BILLING_DAY, billing_day=5), datetime(2026, 1, 31, tzinfo=UTC)
    anchor = grid.anchor_for(billing, Interval(unit, 1000), start, ZoneInfo("UTC"))
    assert anchor == datetime(2026, 2, 5, tzinfo=UTC)
