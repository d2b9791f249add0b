"""A sandbox's clock: it goes forward only, and not so far that the way there takes for ever."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.identity.model import ClockState, SandboxClock
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit, instant_after

ADVANCE_MAX = timedelta(days=366 * 10)
LAST = datetime(2200, 1, 1, tzinfo=UTC)


class ClockGoesBack(Invalid):
    """A clock can only be moved forward."""

    code = "clock_goes_back"


class TooFar(Invalid):
    """A clock is moved by ten years at most at a time, and not past the year 2200."""

    code = "clock_too_far"


class ClockIsAdvancing(Conflict):
    """The clock is on its way already; wait until it is at rest, or ask for a later instant."""

    code = "clock_advancing"


def send(clock: SandboxClock, *, to: datetime) -> SandboxClock:
    """Set where a clock is to go. One that is on its way may be sent further, and one that failed again.

    :raises ClockGoesBack: it is past that instant
    :raises ClockIsAdvancing: it is on its way to a later one
    :raises TooFar: the way is too long
    """
    if to < clock.now:
        raise ClockGoesBack(f"it is {clock.now:%Y-%m-%dT%H:%M:%SZ} there already", field="to")
    if to - clock.now > ADVANCE_MAX or to > LAST:
        raise TooFar(field="to")
    if clock.target is not None and to < clock.target:
        raise ClockIsAdvancing
    return replace(clock, target=to, state=ClockState.ADVANCING, detail="")


def moved(clock: SandboxClock, *, now: datetime, arrived: bool) -> SandboxClock:
    assert now >= clock.now, (clock, now)
    if not arrived:
        return replace(clock, now=now)
    return replace(clock, now=now, target=None, state=ClockState.AT_REST, detail="")


def halted(clock: SandboxClock, *, reason: str) -> SandboxClock:
    return replace(clock, target=None, state=ClockState.FAILED, detail=reason)


def after(now: datetime, *, months: int, days: int, hours: int, zone: ZoneInfo) -> datetime:
    """Step months and days in local time, as a calendar does, and then hours, as a stop-watch does.

    :raises TooFar: the way is too long to be counted
    """
    if months > 12 * 10 or days > ADVANCE_MAX.days or hours > ADVANCE_MAX.days * 24:
        raise TooFar(field="by")
    there = instant_after(now, zone, Interval(Unit.MONTH), months)
    return instant_after(there, zone, Interval(Unit.DAY), days) + timedelta(hours=hours)
