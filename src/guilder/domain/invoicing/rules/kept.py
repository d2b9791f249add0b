"""Time that was paid for and kept in a pause: whether a period is such time, and which one it was billed as."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from guilder.domain.invoicing.rules.expected import began
from guilder.domain.subscriptions.model import Past, Subscription
from guilder.domain.subscriptions.rules import grid
from guilder.kernel.period import Period


def is_kept(subscription: Subscription) -> bool:
    """Say whether the current period is time that was paid for and kept in a pause: it was billed under another date.

    Such a period ends where the anchor was moved to, and is a part of one that ends there too. If the billing day was
    moved since, it ends where no period of the new grid begins; a stub ends on its grid.
    """
    period, full = subscription.current_period, subscription.full_period
    if full is None or full.ends_at != period.ends_at:
        return False
    terms, zone = subscription.terms, ZoneInfo(subscription.time_zone)
    if not grid.is_aligned(terms.billing, terms.interval):
        return period.ends_at == subscription.anchor_at
    return grid.period_at(subscription.anchor_at, zone, terms.interval, period.ends_at)[1].starts_at != period.ends_at


def periods(history: Sequence[Past], current: Period) -> tuple[Period, ...]:
    """Return what a period of kept time has been since it began, each pause having moved it, the oldest first.

    None at all: it began before the history did.
    """
    here = next((n for n in reversed(range(len(history))) if history[n].current_period == current), -1)
    had: list[Period] = []
    for n in range(here, -1, -1):
        if history[n].current_period not in had:
            had.insert(0, history[n].current_period)
        if n and began(history[n - 1], history[n]):
            return tuple(had)
    return () if here < 0 or history[0].is_first_known else tuple(had)


def ends(history: Sequence[Past], current: Period) -> frozenset[datetime]:
    """Return the ends that a period of kept time has had since it began: what was billed of it was billed with one of them.

    The lines alone do not say it: a period that was free, void or in arrears left none, and the one before it is over.
    """
    return frozenset(each.ends_at for each in periods(history, current))
