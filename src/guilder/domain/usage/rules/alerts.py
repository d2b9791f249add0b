"""Which windows of an alert a change of use can have filled."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Aggregation, Meter
from guilder.domain.usage.model import Alert, AlertWindow, NewAlert, Stretch, Use
from guilder.kernel.errors import Invalid
from guilder.kernel.period import Interval, Period, Unit, at_local, date_after

# Later than anything that may be dated into the future.
_AHEAD = timedelta(days=1)
START_MAX = timedelta(days=400)
_MONTH = Interval(Unit.MONTH)


class BadAlert(Invalid):
    """There can be no such alert."""

    code = "bad_alert"


def month_of(at: datetime, zone: ZoneInfo) -> Period:
    """Return the calendar month that an instant lies in, where the customer is."""
    first = at.astimezone(zone).date().replace(day=1)
    return Period(at_local(first, time(), zone), at_local(date_after(first, _MONTH, 1), time(), zone))


def check(alert: NewAlert, *, now: datetime) -> None:
    """Refuse what would never be announced, or never stop.

    :raises BadAlert: a threshold that is not above zero, a total that recurs, a level in total, or a start too far off
    """
    if alert.threshold <= 0:
        raise BadAlert("a threshold is above zero", field="threshold")
    if alert.window is AlertWindow.TOTAL and alert.is_recurring:
        raise BadAlert("a total is reached once: only what is counted by the month can recur", field="recurring")
    if alert.window is AlertWindow.TOTAL and alert.meter.aggregation is Aggregation.WEIGHTED_SUM:
        raise BadAlert("a level is weighed over a month; it has no total", field="window")
    if alert.starts_at is not None and not abs(alert.starts_at - now) <= START_MAX:
        raise BadAlert("an alert starts within 400 days of now", field="from")


def starts_at(alert: NewAlert, *, zone: ZoneInfo, now: datetime) -> datetime:
    """Return from when on use counts: as said, or from the start of the present month, or of a total from now."""
    if alert.starts_at is not None:
        return alert.starts_at
    return now if alert.window is AlertWindow.TOTAL else month_of(now, zone).starts_at


def stretches(alert: Alert, meter: Meter, use: Use, *, zone: ZoneInfo, now: datetime) -> list[Stretch]:
    """Return the windows in which this use may have reached the threshold, the earliest first."""
    if alert.window is AlertWindow.TOTAL:
        starts = alert.starts_at
        return [Stretch(alert=alert, slot=starts, starts_at=starts, ends_at=max(now, use.latest_at, starts) + _AHEAD)]
    # A level stands on into the months after the one in which it changed.
    last = max(use.latest_at, now) if meter.aggregation is Aggregation.WEIGHTED_SUM else use.latest_at
    return [
        Stretch(
            alert=alert,
            slot=month.starts_at if alert.is_recurring else alert.starts_at,
            starts_at=max(month.starts_at, alert.starts_at),
            ends_at=month.ends_at,
        )
        for month in _months(max(use.earliest_at, alert.starts_at), last, zone)
    ]


def _months(earliest: datetime, latest: datetime, zone: ZoneInfo) -> Iterator[Period]:
    if earliest > latest:
        return
    month = month_of(earliest, zone)
    while month.starts_at <= latest:
        yield month
        month = month_of(month.ends_at, zone)
