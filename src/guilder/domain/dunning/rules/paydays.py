"""When a try is likelier to succeed: on a pay day, or at the hour at which the customer paid before.

A planned try moves later, never earlier, by three days at most, and never onto or past the next planned one.
"""

import calendar
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.dunning.model import Policy, Rhythm

MOVE_MAX = timedelta(days=3)
_SATURDAY = 5


def moved(policy: Policy, planned: datetime, *, following: datetime | None, rhythm: Rhythm) -> datetime:
    """Return the better instant for a try that is planned for `planned`; that very one where there is none in reach.

    A pay day goes before an hour: first the next pay day (at the hour, if one is known), else the next such hour.
    """
    hour = policy.retry_hour
    if hour is None and policy.pay_day_aware:
        hour = rhythm.usual_hour
    wishes = _on_pay_days(planned, hour, rhythm.zone) if policy.pay_day_aware else []
    wishes += _at_hour(planned, hour, rhythm.zone) if hour is not None else []
    for wish in wishes:
        if wish <= planned + MOVE_MAX and (following is None or wish < following):
            return wish
    return planned


def is_pay_day(day: date) -> bool:
    """Say whether wages are likely to come in: the 1st, the 15th, the last working day of the month."""
    return day.day in (1, 15) or day == last_working_day(day)


def last_working_day(day: date) -> date:
    """Return the last Monday to Friday of the month. Public holidays are not known here."""
    last = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return last - timedelta(days=max(last.weekday() - _SATURDAY + 1, 0))


def usual_hour(paid_at: Sequence[datetime], zone: ZoneInfo) -> int | None:
    """Return the local hour at which most of these payments came in, of several the latest's; None without any."""
    latest_first = [at.astimezone(zone).hour for at in sorted(paid_at, reverse=True)]
    # A Counter keeps the order of first sight, so that of two hours as usual the latest wins.
    return Counter(latest_first).most_common(1)[0][0] if latest_first else None


def _on_pay_days(planned: datetime, hour: int | None, zone: ZoneInfo) -> list[datetime]:
    # On a pay day itself it is too late for an hour that is over, and not for a try.
    return [max(at, planned) for day, at in _days(planned, hour, zone) if is_pay_day(day)]


def _at_hour(planned: datetime, hour: int, zone: ZoneInfo) -> list[datetime]:
    return [at for _, at in _days(planned, hour, zone) if at >= planned]


def _days(planned: datetime, hour: int | None, zone: ZoneInfo) -> list[tuple[date, datetime]]:
    """Return the days within reach, each with its instant: at the full hour, or at the planned time of day."""
    local = planned.astimezone(zone)
    asked = local if hour is None else local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    # In local time, so that the hour stays where the clocks change; where it does not exist, it is an hour later.
    each = [asked + timedelta(days=n) for n in range(MOVE_MAX.days + 1)]
    return [(at.date(), at.astimezone(planned.tzinfo)) for at in each]
