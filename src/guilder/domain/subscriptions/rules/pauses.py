"""Pausing and resuming (docs/design/pauses.md). Time paused is never billed.

Paid time that a pause cuts off is there again after it (keep), or is given back (credit), as the terms say. Where periods
keep to dates of the calendar there is no room for time kept: it is given back.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import PaidTime
from guilder.domain.subscriptions.model import Segment, Status, Subscription
from guilder.domain.subscriptions.rules import grid, periods, segments
from guilder.domain.subscriptions.rules.grid import Place
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import lifecycle
from guilder.kernel.noun import replace
from guilder.kernel.period import Period

_PAID = frozenset({Status.ACTIVE, Status.PAST_DUE})


def keeps_paid_time(subscription: Subscription) -> bool:
    """Say whether what is left of a period is there again after a pause."""
    terms = subscription.terms
    return terms.billing.paused_time is PaidTime.KEEP and not grid.is_aligned(terms.billing, terms.interval)


def pause(subscription: Subscription, *, step: Step, at: datetime) -> tuple[Subscription, tuple[Segment, ...]]:
    """Stop at `at`: within a period (`PAUSE`), or at its end (`LAPSE`). A trial ends with it: its rest is not paid time."""
    if subscription.status is Status.TRIALING:
        subscription = _trial_until(subscription, at)
    is_kept = at < subscription.current_period.ends_at and keeps_paid_time(subscription)
    paused = replace(
        subscription,
        status=lifecycle.take(MOVES, subscription.status, step),
        paused_at=at,
        pause_at_period_end=False,
        fee_from=None,
        usage_from=None,
    )
    return periods.planned(paused), segments.close(subscription, at=at, closes_period=not is_kept)


def _trial_until(subscription: Subscription, at: datetime) -> Subscription:
    starts_at = subscription.current_period.starts_at
    ends_at = max(at, starts_at + timedelta(microseconds=1))  # one that began this very instant still has a length
    return replace(subscription, current_period=Period(starts_at, ends_at), trial_ends_at=ends_at)


def time_left(subscription: Subscription) -> timedelta:
    """Return how much paid time a paused subscription has to go on with."""
    assert subscription.paused_at is not None, subscription.ref
    if not keeps_paid_time(subscription):
        return timedelta(0)
    return max(subscription.current_period.ends_at - subscription.paused_at, timedelta(0))


def cuts_off(subscription: Subscription, *, at: datetime) -> bool:
    """Say whether stopping at `at` takes away paid time. Of one that is paused, it is the time that was kept for it."""
    if subscription.terms.billing.in_arrears:
        return False
    if subscription.status is Status.PAUSED:
        return bool(time_left(subscription))
    return subscription.status in _PAID and subscription.current_period.holds(at)


def resume(subscription: Subscription, *, at: datetime) -> tuple[Subscription, bool]:
    """Go on at `at`; say whether a new period began with it, which is not billed yet.

    Time kept is run out first: the anchor moves, so that the next full period begins at its end. Else a new period
    begins, on the terms that were planned for it.
    """
    left = time_left(subscription)
    resumed = replace(
        subscription,
        status=lifecycle.take(MOVES, subscription.status, Step.RESUME),
        paused_at=None,
        resume_at=None,
    )
    if not left:
        return periods.restart(periods.take_pending(resumed, at=at), at=at), True
    if resumed.pending_at is not None:
        # What was to change during the pause changes with its end.
        resumed = replace(resumed, pending_at=max(resumed.pending_at, at))
    return periods.enter(replace(resumed, anchor_at=at + left), _rest(subscription, at, left)), False


def _rest(subscription: Subscription, at: datetime, left: timedelta) -> Place:
    """Return what is left of a period, measured against one as long as the one that it is left of."""
    zone, ends_at = ZoneInfo(subscription.time_zone), at + left
    full = subscription.full_period or subscription.current_period
    number, _ = grid.period_at(ends_at, zone, subscription.terms.interval, ends_at)
    return Place(number - 1, Period(at, ends_at), Period(ends_at - (full.ends_at - full.starts_at), ends_at))
