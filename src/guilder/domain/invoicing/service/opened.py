"""The stretch of use that a subscription is in, before it is over."""

from datetime import datetime
from zoneinfo import ZoneInfo

from guilder.domain.invoicing.rules import use
from guilder.domain.invoicing.rules.use import Stretch
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.subscriptions.rules import grid
from guilder.kernel.period import Period


def opened(subscription: Subscription) -> Stretch:
    """Return the stretch that began with the last one that was closed, and ends when use is closed next."""
    assert subscription.usage_from is not None, subscription.ref
    ends_at, full = _ends(subscription, subscription.usage_from)
    return use.still_open(subscription, Period(subscription.usage_from, ends_at), full)


def _ends(subscription: Subscription, since: datetime) -> tuple[datetime, Period]:
    full = subscription.full_period or subscription.current_period
    ends_at = subscription.current_period.ends_at
    every = subscription.terms.billing.usage_interval
    if every is not None:
        full = grid.period_at(subscription.anchor_at, ZoneInfo(subscription.time_zone), every, since)[1]
        ends_at = min(ends_at, full.ends_at)
    return ends_at, full
