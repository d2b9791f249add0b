"""The grid that periods stand on: whole intervals from an anchor, and where on it a period begins and ends.

The anchor decides which local date a full period begins on. Numbers count from it, and may be negative: a grid has no
first period. What begins within a full period of its grid is a stub, and ends where that full period ends.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Alignment, Billing
from guilder.kernel.period import Interval, Period, Unit, at_local, date_after, instant_after

MIDNIGHT = time(0)
DAY = timedelta(days=1)
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}
# Looking back this far finds the day that a month may lack: 29 February is eight years apart at most.
_STEPS_BACK = 9


@dataclass(frozen=True, slots=True)
class Place:
    """A period, where it stands on its grid, and the full one that holds it where it is a stub."""

    number: int
    period: Period
    full: Period | None = None


def anchor_for(billing: Billing, interval: Interval, starts_at: datetime, zone: ZoneInfo) -> datetime:
    """Return the anchor of the grid that something starting then stands on.

    An aligned anchor is a local midnight; it keeps the day that was asked for, in an earlier month of the same grid
    where the first one is too short for it. A fixed day of the month means nothing to days and weeks: those are counted
    from the start.
    """
    start = starts_at.astimezone(zone).date()
    if billing.alignment is Alignment.CALENDAR:
        first = _calendar_date(interval.unit, start)
        return _midnight_of(first, first.day, interval, zone)
    if billing.alignment is Alignment.BILLING_DAY and interval.unit in _MONTHS:
        assert billing.billing_day is not None, billing
        first = _day_of_month(start, billing.billing_day)
        if first < start:
            first = _day_of_month(date_after(start.replace(day=1), Interval(Unit.MONTH), 1), billing.billing_day)
        return _midnight_of(first, billing.billing_day, interval, zone)
    return starts_at


def is_aligned(billing: Billing, interval: Interval) -> bool:
    """Say whether periods keep to dates of the calendar, whenever the subscription began."""
    if billing.alignment is Alignment.BILLING_DAY:
        return interval.unit in _MONTHS
    return billing.alignment is Alignment.CALENDAR


def period_at(anchor: datetime, zone: ZoneInfo, interval: Interval, at: datetime) -> tuple[int, Period]:
    """Return the full period of the grid that holds an instant, with its number."""
    number = _near(anchor.astimezone(zone).date(), interval, at.astimezone(zone).date())
    while instant_after(anchor, zone, interval, number) > at:
        number -= 1
    while instant_after(anchor, zone, interval, number + 1) <= at:
        number += 1
    return number, Period(*_bounds(anchor, zone, interval, number))


def place(anchor: datetime, zone: ZoneInfo, interval: Interval, at: datetime) -> Place:
    """Return the period that begins at an instant somebody chose: whole if the full one begins on that local date."""
    number, full = period_at(anchor, zone, interval, at)
    is_whole = full.starts_at.astimezone(zone).date() == at.astimezone(zone).date()
    return Place(number, Period(at, full.ends_at), None if is_whole else full)


def place_after(number: int, anchor: datetime, zone: ZoneInfo, interval: Interval, at: datetime) -> Place:
    """Return the period that follows the one with this number, which ended at `at`.

    A zone whose rules were changed meanwhile moves the grid by hours: the next period is a whole one all the same.
    """
    starts_at, ends_at = _bounds(anchor, zone, interval, number + 1)
    if abs(starts_at - at) < DAY and ends_at > max(starts_at, at):
        return Place(number + 1, Period(at, ends_at))
    return place(anchor, zone, interval, at)


def boundary_after(anchor: datetime, zone: ZoneInfo, interval: Interval, at: datetime) -> datetime:
    return period_at(anchor, zone, interval, at)[1].ends_at


def days_later(start: datetime, zone: ZoneInfo, days: int) -> datetime:
    """Return the same local time so many dates later."""
    local = start.astimezone(zone)
    return at_local(local.date() + timedelta(days=days), local.time(), zone)


def _bounds(anchor: datetime, zone: ZoneInfo, interval: Interval, number: int) -> tuple[datetime, datetime]:
    return instant_after(anchor, zone, interval, number), instant_after(anchor, zone, interval, number + 1)


def _near(anchor: date, interval: Interval, day: date) -> int:
    if interval.unit in _MONTHS:
        months = (day.year - anchor.year) * 12 + day.month - anchor.month
        return months // (_MONTHS[interval.unit] * interval.count)
    return (day - anchor).days // ((7 if interval.unit is Unit.WEEK else 1) * interval.count)


def _calendar_date(unit: Unit, day: date) -> date:
    """Return the first date, on or after `day`, that a calendar's period begins on."""
    if unit is Unit.DAY:
        return day
    if unit is Unit.WEEK:
        return day + timedelta(days=-day.weekday() % 7)
    length = _MONTHS[unit]
    month0 = day.month - 1
    begun = day.replace(month=month0 - month0 % length + 1, day=1)
    return begun if begun == day else date_after(begun, Interval(unit), 1)


def _day_of_month(month: date, day: int) -> date:
    """Return that day of the month, or the month's last one where it is shorter."""
    first = month.replace(day=1)
    last = date_after(first, Interval(Unit.MONTH), 1) - timedelta(days=1)
    return first.replace(day=min(day, last.day))


def _midnight_of(first: date, day: int, interval: Interval, zone: ZoneInfo) -> datetime:
    """Return the latest midnight of the grid, not after `first`, that exists and has the day that is asked for.

    Without one the clamped day is what the grid has in every one of its months.
    """
    dates = [first]
    # Of intervals of centuries, the calendar has no eight before today.
    years = interval.count * _MONTHS.get(interval.unit, 0) // 12 + 1
    for steps in range(1, min(_STEPS_BACK, first.year // years)):
        earlier = date_after(first.replace(day=1) if interval.unit in _MONTHS else first, interval, -steps)
        dates.append(_day_of_month(earlier, day) if interval.unit in _MONTHS else earlier)
    best = max(dates, key=lambda each: (_has_midnight(each, zone), each.day if interval.unit in _MONTHS else 0, each))
    return at_local(best, MIDNIGHT, zone)


def _has_midnight(day: date, zone: ZoneInfo) -> bool:
    back = at_local(day, MIDNIGHT, zone).astimezone(zone)
    return (back.date(), back.time()) == (day, MIDNIGHT)
