"""A reckoner of its own: what a bill should come to, worked out the slow way, as on paper.

Dates by dateutil, amounts by fractions; nothing of the product is used, so that both can be wrong only independently.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from dateutil.tz import UTC as DATEUTIL_UTC
from dateutil.tz import gettz, resolve_imaginary

Number = int | str | Decimal | Fraction
STEPS = {
    "daily": relativedelta(days=1),
    "weekly": relativedelta(weeks=1),
    "monthly": relativedelta(months=1),
    "quarterly": relativedelta(months=3),
    "half_yearly": relativedelta(months=6),
    "yearly": relativedelta(years=1),
}


class Span(NamedTuple):
    """From an instant up to another, not including it."""

    starts_at: datetime
    ends_at: datetime


def half_up(exact: Number) -> int:
    """Round to a whole unit, halves away from zero."""
    value = Fraction(exact)
    return floor(value + Fraction(1, 2)) if value >= 0 else -half_up(-value)


def instant(written: str, zone: str = "UTC") -> datetime:
    """Read a local time of a zone ("2026-03-08 02:30"); one that the clock skips is the first that exists after it."""
    local = datetime.fromisoformat(written).replace(tzinfo=gettz(zone))
    if resolve_imaginary(local) != local:
        # What the clock skips: go on by minutes to the first that exists.
        while resolve_imaginary(local) != local:
            local += timedelta(minutes=1)
    return local.astimezone(DATEUTIL_UTC).astimezone(UTC)


def step(anchor: str, cycle: str, steps: int, zone: str = "UTC") -> datetime:
    """Return the start of a period: so many whole intervals after the anchor's local date, at its local time."""
    local = datetime.fromisoformat(anchor) + STEPS[cycle] * steps
    return instant(local.isoformat(), zone)


def span(anchor: str, cycle: str, number: int = 0, zone: str = "UTC") -> Span:
    """Return the period with this number; the first one is number 0."""
    return Span(step(anchor, cycle, number, zone), step(anchor, cycle, number + 1, zone))


def seconds(part: Span, full: Span) -> Fraction:
    """Return how much of a period a part of it is, by its real length."""
    return Fraction(_microseconds(part), _microseconds(full))


def days(part: Span, full: Span, zone: str = "UTC") -> Fraction:
    """Return how much of a period a part of it is, by local dates; the day it begins on is the part's."""
    return Fraction(_dates(part, zone), _dates(full, zone))


def days_30(part: Span, full: Span, months: int = 1, zone: str = "UTC") -> Fraction:
    """Return how much of a period from the first of a month is left from a date on, every month counting 30."""
    first, day = (each.astimezone(gettz(zone)) for each in (full.starts_at, part.starts_at))
    assert first.day == 1
    assert part.ends_at == full.ends_at
    passed = (day.year * 12 + day.month - first.year * 12 - first.month) * 30 + min(day.day, 30) - 1
    return Fraction(30 * months - passed, 30 * months)


def part_of(amount: Number, share: Fraction) -> int:
    """Take a share of an amount, rounded once."""
    return half_up(Fraction(amount) * share)


def graduated(units: Number, tiers: Sequence[tuple[Number | None, Number, Number]]) -> Fraction:
    """Price units one by one, each at the tier it falls into. A tier: up to, price of a unit, flat fee when entered."""
    left, priced, below = Fraction(units), Fraction(0), Fraction(0)
    for up_to, unit, flat in tiers:
        if left <= 0:
            break
        priced += Fraction(flat)
        room = left if up_to is None else Fraction(up_to) - below
        while left > 0 and room > 0:
            one = min(Fraction(1), left, room)
            priced += one * Fraction(unit)
            left, room, below = left - one, room - one, below + one
    return priced


def volume(units: Number, tiers: Sequence[tuple[Number | None, Number, Number]]) -> Fraction:
    """Price all units at the tier that their number reaches."""
    if Fraction(units) <= 0:
        return Fraction(0)
    for up_to, unit, flat in tiers:
        if up_to is None or Fraction(units) <= Fraction(up_to):
            return Fraction(units) * Fraction(unit) + Fraction(flat)
    raise AssertionError((units, tiers))


def package(units: Number, size: Number, price: Number, free: Number = 0) -> Fraction:
    """Price whole packages."""
    return max(ceil((Fraction(units) - Fraction(free)) / Fraction(size)), 0) * Fraction(price)


def tax_on(net: int, percent: Number) -> int:
    """Return the tax on what was added up, rounded once."""
    return half_up(Fraction(net) * Fraction(percent) / 100)


def tax_in(gross: int, percent: Number) -> int:
    """Return the tax that an amount contains, rounded once."""
    return half_up(Fraction(gross) * Fraction(percent) / (100 + Fraction(percent)))


def true_up(commitment: int, share: Fraction, billed: int) -> int:
    """Return what is missing from the least that a period comes to."""
    return max(part_of(commitment, share) - billed, 0)


def month_days(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _microseconds(stretch: Span) -> int:
    return (stretch.ends_at - stretch.starts_at) // timedelta(microseconds=1)


def _dates(stretch: Span, zone: str) -> int:
    first, last = (each.astimezone(gettz(zone)).date() for each in stretch)
    return (last - first).days
