"""What is announced of a subscription."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionEvent,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionResumed,
)
from guilder.domain.subscriptions.model import Rolled, Status, Subscription, Turn
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

E = TypeVar("E", bound=SubscriptionEvent)


def event(kind: Callable[..., E], s: Subscription, **more: Any) -> E:
    return kind(
        tenant_id=s.tenant_id,
        subscription_id=s.id,
        customer_id=s.customer_id,
        organization_id=s.organization_id,
        plan_id=s.terms.plan_id,
        plan_code=s.terms.plan_code,
        plan_version=s.terms.plan_version,
        **more,
    )


def activated(s: Subscription) -> SubscriptionActivated:
    return _with_period(SubscriptionActivated, s, status=s.status.value)


def changed(s: Subscription) -> SubscriptionChanged:
    return event(SubscriptionChanged, s, quantity=s.terms.quantity, billing_cycle=s.terms.billing_cycle)


def paused(s: Subscription) -> SubscriptionPaused:
    return event(SubscriptionPaused, s, paused_at=s.paused_at, resumes_at=s.resume_at)


def resumed(s: Subscription) -> SubscriptionResumed:
    return _with_period(SubscriptionResumed, s)


def ended(s: Subscription) -> SubscriptionEnded:
    assert s.ended_at is not None
    return event(SubscriptionEnded, s, status=s.status.value, ended_at=s.ended_at)


def turns(tx: Tx, before: Subscription, taken: Sequence[Rolled], *, now: datetime) -> None:
    """Announce what due instants brought, in order; other terms before what they came with."""
    terms = before.terms
    for each in taken:
        if each.terms != terms:
            outbox.announce(tx, [changed(each.subscription)], now=now)
            terms = each.terms
        outbox.announce(tx, _facts(each), now=now)


def _facts(rolled: Rolled) -> list[SubscriptionEvent]:
    after = rolled.subscription
    match rolled.turn:
        case Turn.STARTED:
            return [] if after.status is Status.PROCESSING else [activated(after)]
        case Turn.RENEWED | Turn.TRIAL_ENDED:
            return [_with_period(SubscriptionRenewed, after)]
        case Turn.PAUSED:
            return [paused(after)]
        case Turn.RESUMED:
            return [resumed(after)]
        case Turn.ENDED:
            return [ended(after)]
        case Turn.CHANGED | Turn.USAGE_CLOSED:
            return []


def _with_period(kind: Callable[..., E], s: Subscription, **more: Any) -> E:
    period = s.current_period
    return event(kind, s, period_starts_at=period.starts_at, period_ends_at=period.ends_at, **more)
