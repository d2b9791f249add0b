"""When periods run: whole intervals from the stored anchor, in the subscription's zone."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.subscriptions.model import NewSubscription, Rolled, Status, Subscription, Turn
from guilder.domain.subscriptions.rules.lifecycle import MOVES, ROLLING, Step
from guilder.kernel import lifecycle
from guilder.kernel.period import Period, at_local, period_number

STEPS_MAX = 2000  # a subscription that nobody rolled for five years of days


def begin(order: NewSubscription, *, subscription_id: UUID, now: datetime) -> Subscription:
    """Make the subscription that was asked for: in its trial, active when it is free, else waiting for payment.

    The first period starts with the order; after a trial, with the trial's end, which then is the anchor.
    """
    zone = ZoneInfo(order.time_zone)
    trial_ends_at = _days_later(order.starts_at, zone, order.trial_days) if order.trial_days else None
    anchor = trial_ends_at or order.starts_at
    first = Period(order.starts_at, anchor) if trial_ends_at else period_number(anchor, zone, order.terms.interval, 0)
    return Subscription(
        tenant_id=order.tenant_id,
        id=subscription_id,
        customer_id=order.customer_id,
        organization_id=order.organization_id,
        terms=order.terms,
        status=_first_status(order),
        anchor_at=anchor,
        time_zone=order.time_zone,
        period_number=-1 if trial_ends_at else 0,
        current_period=first,
        created_at=now,
        trial_ends_at=trial_ends_at,
        payment_method_id=order.payment_method_id,
        next_due_at=first.ends_at if _first_status(order) in ROLLING else None,
        metadata=order.metadata,
    )


def _first_status(order: NewSubscription) -> Status:
    if order.trial_days:
        return Status.TRIALING
    return Status.ACTIVE if order.terms.amount.is_zero else Status.PROCESSING


def _days_later(start: datetime, zone: ZoneInfo, days: int) -> datetime:
    local = start.astimezone(zone)
    return at_local(local.date() + timedelta(days=days), local.time(), zone)


def activate(subscription: Subscription) -> Subscription:
    """Its first invoice is paid: from here on its periods run."""
    status = lifecycle.take(MOVES, subscription.status, Step.ACTIVATE)
    return replace(subscription, status=status, next_due_at=subscription.current_period.ends_at)


def roll(subscription: Subscription, *, now: datetime) -> tuple[Subscription, list[Rolled]]:
    """Take every step that has fallen due up to `now`, in order: a late run gives just what runs on time would have."""
    turns: list[Rolled] = []
    while subscription.next_due_at is not None and subscription.next_due_at <= now:
        assert len(turns) < STEPS_MAX, subscription.ref
        subscription, turn = _step(subscription, at=subscription.next_due_at)
        turns.append(turn)
    return subscription, turns


def _step(subscription: Subscription, *, at: datetime) -> tuple[Subscription, Rolled]:
    if subscription.cancel_at_period_end:
        ended = end(subscription, step=Step.EXPIRE, at=at)
        return ended, Rolled(subscription=ended, turn=Turn.ENDED, at=at, period=None, terms=ended.terms)
    turn = Turn.TRIAL_ENDED if subscription.status is Status.TRIALING else Turn.RENEWED
    status = lifecycle.take(MOVES, subscription.status, Step.ROLL)
    moved = replace(subscription, status=status)
    moved = (
        _take_pending_terms(moved, at=at)
        if moved.pending_terms
        else replace(moved, period_number=moved.period_number + 1)
    )
    period = period_number(moved.anchor_at, ZoneInfo(moved.time_zone), moved.terms.interval, moved.period_number)
    assert period.starts_at == at, (subscription.ref, period, at)
    moved = replace(moved, current_period=period, next_due_at=period.ends_at)
    return moved, Rolled(subscription=moved, turn=turn, at=at, period=period, terms=moved.terms)


def _take_pending_terms(subscription: Subscription, *, at: datetime) -> Subscription:
    terms = subscription.pending_terms
    assert terms is not None
    changed = replace(subscription, terms=terms, pending_terms=None)
    if terms.interval == subscription.terms.interval:
        return replace(changed, period_number=subscription.period_number + 1)
    # Periods of another length are counted from where the old ones stopped.
    return replace(changed, anchor_at=at, period_number=0)


def restart(subscription: Subscription, *, at: datetime) -> Subscription:
    """Begin anew at `at`: the interval changed at once, or a suspension outlasted the paid period.

    Time suspended is not charged for, so the periods are counted from here.
    """
    period = period_number(at, ZoneInfo(subscription.time_zone), subscription.terms.interval, 0)
    return replace(
        subscription,
        anchor_at=at,
        period_number=0,
        current_period=period,
        next_due_at=period.ends_at,
    )


def recover(subscription: Subscription, *, at: datetime) -> tuple[Subscription, bool]:
    """What was owed is paid. Return the subscription, and whether a new period began that is not billed yet.

    Where the period ran out while it was suspended, what was planned for its end happens now: it ends if it was opted
    out of, and the new period begins on the pending terms.
    """
    status = lifecycle.take(MOVES, subscription.status, Step.RECOVER)
    was_suspended = subscription.status is Status.SUSPENDED
    recovered = replace(subscription, status=status, next_due_at=subscription.current_period.ends_at)
    if not was_suspended or subscription.current_period.ends_at > at:
        return recovered, False
    if subscription.cancel_at_period_end:
        return end(recovered, step=Step.EXPIRE, at=at), False
    terms = subscription.pending_terms or subscription.terms
    return restart(replace(recovered, terms=terms, pending_terms=None), at=at), True


def end(subscription: Subscription, *, step: Step, at: datetime) -> Subscription:
    status = lifecycle.take(MOVES, subscription.status, step)
    return replace(
        subscription, status=status, ended_at=at, next_due_at=None, pending_terms=None, cancel_at_period_end=False
    )
