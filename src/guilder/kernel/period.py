"""Periods: half-open, stepped from the anchor in the customer's time zone, never from the last step."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct


class Period(Struct, frozen=True):
    """From `starts_at`, up to but not including `ends_at`; both aware."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        assert self.starts_at.tzinfo, self
        assert self.ends_at.tzinfo, self
        assert self.starts_at < self.ends_at, self

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at

    def share_left(self, at: datetime) -> Fraction:
        """Return the part of this period still ahead of `at`, from 0 to 1."""
        whole = self.ends_at - self.starts_at
        left = min(max(self.ends_at - at, timedelta(0)), whole)
        return Fraction(left // timedelta(microseconds=1), whole // timedelta(microseconds=1))


class Unit(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}
_DAYS = {Unit.DAY: 1, Unit.WEEK: 7}
assert set(_MONTHS) | set(_DAYS) == set(Unit)


@dataclass(frozen=True, slots=True)
class Interval:
    """How long one period is: `count` times `unit`."""

    unit: Unit
    count: int = 1

    def __post_init__(self) -> None:
        assert self.count >= 1, self


def date_after(anchor: date, interval: Interval, steps: int) -> date:
    """Step whole intervals from the anchor: 31 January + 1 month is 28 or 29 February, + 2 months is 31 March."""
    return _date_after(anchor, interval.unit, interval.count * steps)


def _date_after(anchor: date, unit: Unit, length: int) -> date:
    if unit in _DAYS:
        return anchor + timedelta(days=_DAYS[unit] * length)
    year, month0 = divmod(anchor.year * 12 + anchor.month - 1 + _MONTHS[unit] * length, 12)
    last_day = calendar.monthrange(year, month0 + 1)[1]
    return anchor.replace(year=year, month=month0 + 1, day=min(anchor.day, last_day))


def at_local(day: date, clock_time: time, zone: ZoneInfo) -> datetime:
    """Return the instant of a local date and time, in UTC.

    A time that the clock skips becomes the next one that exists; of one that comes twice, the first is meant.
    """
    local = datetime.combine(day, clock_time, tzinfo=zone)
    instant = local.astimezone(UTC)
    back = instant.astimezone(zone)
    if back.replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _first_instant_after_gap(local, zone)


def _first_instant_after_gap(local: datetime, zone: ZoneInfo) -> datetime:
    # Inside a gap, fold=0 reads with the offset before it and fold=1 with the one after; the clock jumps between.
    low = local.replace(fold=1).astimezone(UTC)
    high = local.replace(fold=0).astimezone(UTC)
    after = high.astimezone(zone).utcoffset()
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0) if high.microsecond < 2 else high


def instant_after(anchor: datetime, zone: ZoneInfo, interval: Interval, steps: int) -> datetime:
    """Return the start of the `steps`-th period, counted from the anchor, at the anchor's local time of day."""
    if steps == 0:
        return anchor.astimezone(UTC)
    return _stepped(anchor.astimezone(UTC), zone, interval.unit, interval.count * steps)


# What falls due together mostly stands on one grid. (By UTC: in other zones two instants may be equal that are not the same.)
@lru_cache(4_096)
def _stepped(anchor: datetime, zone: ZoneInfo, unit: Unit, length: int) -> datetime:
    local = anchor.astimezone(zone)
    return at_local(_date_after(local.date(), unit, length), local.time(), zone)


def period_number(anchor: datetime, zone: ZoneInfo, interval: Interval, number: int) -> Period:
    """Return the period with this number; the first one is number 0."""
    return Period(
        instant_after(anchor, zone, interval, number),
        instant_after(anchor, zone, interval, number + 1),
    )
