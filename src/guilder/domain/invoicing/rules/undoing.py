"""What goes back of an invoice for a change that never took effect: what it was for was over before it was paid."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import partial
from typing import NamedTuple
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Basis
from guilder.domain.invoicing.model import Line
from guilder.domain.invoicing.rules.correcting import Back, Left
from guilder.domain.invoicing.rules.proration import full_period
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.subscriptions.rules import shares
from guilder.domain.subscriptions.rules.shares import Measure
from guilder.kernel.money import round_half_up
from guilder.kernel.period import Interval, Period, Unit

_MONTH = Interval(Unit.MONTH)
_OF_TIME = frozenset({Basis.SECOND, Basis.DAY, Basis.DAY_30})


class CutOff(NamedTuple):
    """Since when time that a change charges was given back, and which part of it was."""

    since: datetime
    unused: Fraction


def until(left: Sequence[Left], subscription: Subscription, *, cut_off: CutOff) -> list[Back]:
    """Give back all that is left of what is charged, and take credits beside it back for the part of their time that was
    used until it was cut off: what they gave back of the time since then is the customer's."""
    charged = {each.line.period for each in left if each.line.amount.minor > 0}
    back = []
    for each in left:
        part = Fraction(1)
        if each.net < 0:
            # Of the same time as what is charged, as much was used as of that, by whatever it was measured.
            is_same = each.line.period in charged
            part = 1 - cut_off.unused if is_same else _used(each.line, subscription, since=cut_off.since)
        back.append(Back(each.line, round_half_up(each.net * part), round_half_up(each.tax * part)))
    return [each for each in back if each.net or each.tax]


def _used(line: Line, subscription: Subscription, *, since: datetime) -> Fraction:
    """Return which part of a credit's time was over when it was cut off, measured as that measured the rest."""
    period = line.period
    if period is None or since >= period.ends_at:
        return Fraction(1)
    if since <= period.starts_at:
        return Fraction(0)
    full = full_period(subscription)
    is_within = full.starts_at <= period.starts_at and period.ends_at <= full.ends_at
    basis = subscription.terms.billing.basis
    stopped = subscription.ended_at is not None or subscription.paused_at is not None
    if not is_within and basis in _OF_TIME:
        return _used_before(line, period, subscription, since=since, is_last_day_used=stopped)
    measure = partial(
        shares.measure,
        full=full if is_within else period,
        interval=subscription.terms.interval,
        zone=ZoneInfo(subscription.time_zone),
    )
    # The price difference is no measure of what is left with an end; what it gave back, it gave back for all of the period.
    ending = Basis.SECOND if basis is Basis.DIFFERENCE and stopped else basis
    unused = measure(ending, part=Period(since, period.ends_at), is_last_day_used=stopped)
    covered = measure(basis, part=period)
    return 1 - min(unused.share / covered.share, Fraction(1)) if covered.numerator else Fraction(1)


def _used_before(
    line: Line, period: Period, subscription: Subscription, *, since: datetime, is_last_day_used: bool
) -> Fraction:
    """Return that of time beside what begins another interval: it is counted within the period that it was sold in."""
    sold_in, said = line.explanation.get("full_period"), line.explanation.get("unused")
    given = Measure(**said) if isinstance(said, Mapping) else None
    measure = partial(
        shares.measure,
        subscription.terms.billing.basis,
        full=Period(*map(datetime.fromisoformat, sold_in)) if isinstance(sold_in, Sequence) else period,
        interval=_MONTH if given and given.unit == "day_30" else subscription.terms.interval,
        zone=ZoneInfo(subscription.time_zone),
    )
    used = measure(part=Period(period.starts_at, since), is_last_day_used=is_last_day_used)
    covered = measure(part=period)
    # What the credit has counted itself, if it did so alike: it knew by which interval that was sold.
    whole = given if given and given.unit == used.unit and given.numerator else covered
    if whole.unit != used.unit:  # all of a period that was sold whole
        return used.share
    return min(Fraction(used.numerator, whole.numerator), Fraction(1)) if whole.numerator else Fraction(1)
