"""By what a part of a period is measured: seconds, dates, dates of a year of 360 days, or not at all.

The denominator is always the full period that holds the part, never the rest of it that somebody was there for. The
parts of one period, measured by seconds or dates, add up to the whole: each boundary has one position, and a part is the
difference of two.

A date belongs to what begins on it: the day of a change is a day on the new plan. At a termination
(`is_last_day_used`) the day counts as used, unless the termination is its very midnight.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Basis
from guilder.kernel.period import Interval, Period, Unit

_MICROSECOND = timedelta(microseconds=1)
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}
_MONTH_DAYS = 30


@dataclass(frozen=True, slots=True)
class Measure:
    """A part of a full period, in `unit`s of it: `numerator` of `denominator`."""

    numerator: int
    denominator: int
    unit: str

    @property
    def share(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)


def measure(
    basis: Basis,
    *,
    part: Period,
    full: Period,
    interval: Interval,
    zone: ZoneInfo,
    is_last_day_used: bool = False,
    is_stub: bool = False,
) -> Measure:
    """Return how much of `full` the part is; what of it lies outside counts nothing.

    `is_stub`: the part is a period of its own that begins or ends off the grid, and not what a change cut off; by
    `difference` a change counts as the whole, and a stub is still measured by the second.
    """
    if part.starts_at <= full.starts_at and part.ends_at >= full.ends_at:
        return Measure(1, 1, "period")
    if basis is Basis.NONE:
        return Measure(0, 1, "period")
    if basis is Basis.DIFFERENCE and not is_stub:
        return Measure(1, 1, "period")
    if basis in (Basis.SECOND, Basis.DIFFERENCE):
        return _by_seconds(part, full)
    boundary = _Boundaries(full, interval, zone, is_30=basis is Basis.DAY_30 and interval.unit in _MONTHS)
    is_end_inner = part.ends_at < full.ends_at
    ends = boundary.position(part.ends_at, is_day_used=is_last_day_used and is_end_inner)
    starts = boundary.position(part.starts_at, is_day_used=is_last_day_used and not is_end_inner)
    return Measure(max(ends - starts, 0), boundary.whole, "day_30" if boundary.is_30 else "day")


def _by_seconds(part: Period, full: Period) -> Measure:
    length = min(part.ends_at, full.ends_at) - max(part.starts_at, full.starts_at)
    whole = full.ends_at - full.starts_at
    return Measure(max(length // _MICROSECOND, 0), whole // _MICROSECOND, "microsecond")


@dataclass(frozen=True, slots=True)
class _Boundaries:
    full: Period
    interval: Interval
    zone: ZoneInfo
    is_30: bool

    @property
    def whole(self) -> int:
        first, last = self._date(self.full.starts_at), self._date(self.full.ends_at)
        if self.is_30:
            months = _MONTHS[self.interval.unit] * self.interval.count
            if round((last - first).days * Fraction(48, 4 * 365 + 1)) == months:
                return _MONTH_DAYS * months
            # Sold by another interval, or a part of what was: it has its own length.
            return max(_days_30(first, last, last=last), 1)
        # A period that the clock change of its zone left without a date of its own still counts as one.
        return max((last - first).days, 1)

    def position(self, at: datetime, *, is_day_used: bool) -> int:
        """Return how many days of the full period lie before a boundary."""
        if at <= self.full.starts_at:
            return 0
        if at >= self.full.ends_at:
            return self.whole
        day = self._date(at)
        if is_day_used and at.astimezone(self.zone).time() != time(0):
            day += timedelta(days=1)
        first = self._date(self.full.starts_at)
        days = _days_30(first, day, last=self._date(self.full.ends_at)) if self.is_30 else (day - first).days
        return min(max(days, 0), self.whole)

    def _date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


def _days_30(first: date, day: date, *, last: date) -> int:
    """Count the days between two dates where every month has 30; the 31st is the 30th.

    A period that begins on the last of February because its anchor is a later day (`last` says so) begins on the 30th.
    """
    is_clamped = first.month == 2 and last.day > first.day and (first + timedelta(days=1)).month == 3
    from_day = _MONTH_DAYS if is_clamped else min(first.day, _MONTH_DAYS)
    months = (day.year - first.year) * 12 + day.month - first.month
    return months * _MONTH_DAYS + min(day.day, _MONTH_DAYS) - from_day
