"""What is billed when it is over: a fee in arrears, and use, each for a stretch of time on the same terms.

The segments of one kind tile the time that a subscription ran: each begins where the one before it was closed.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid5
from zoneinfo import ZoneInfo

from guilder.domain.subscriptions.model import Segment, SegmentKind, Subscription, Terms
from guilder.domain.subscriptions.rules import grid
from guilder.kernel.noun import replace
from guilder.kernel.period import Period


def open_from(at: datetime, closed_until: datetime | None) -> datetime:
    """Return since when there is something in no segment yet, of what begins at `at`.

    A change that was paid for by link is dated back to when it was asked for. What was closed since then stays as it was
    billed: nothing is in two segments.
    """
    return max(at, closed_until or at)


def close(
    subscription: Subscription, *, at: datetime, due_from: datetime | None = None, closes_period: bool
) -> tuple[Segment, ...]:
    """Close all that is open up to `at`. It is billed from `due_from` on (None: at once), use after its grace period."""
    fee = close_fee(subscription, at=at, due_from=due_from, closes_period=closes_period)
    return fee + close_usage(subscription, at=at, due_from=due_from, closes_period=closes_period)


def close_fee(
    subscription: Subscription, *, at: datetime, due_from: datetime | None = None, closes_period: bool
) -> tuple[Segment, ...]:
    since = subscription.fee_from
    if since is None or since >= at or subscription.terms.amount.is_zero:
        return ()
    full = subscription.full_period or subscription.current_period
    return (_segment(subscription, SegmentKind.FEE, Period(since, at), full, due_from or at, closes_period),)


def close_usage(
    subscription: Subscription, *, at: datetime, due_from: datetime | None = None, closes_period: bool
) -> tuple[Segment, ...]:
    since = subscription.usage_from
    if since is None or since >= at or not subscription.terms.has_charges:
        return ()
    zone = ZoneInfo(subscription.time_zone)
    due_at = grid.days_later(due_from or at, zone, subscription.terms.billing.grace_days)
    full = _usage_period(subscription, since, zone)
    return (_segment(subscription, SegmentKind.USAGE, Period(since, at), full, due_at, closes_period),)


def due_with_end(closed: Sequence[Segment], *, at: datetime, zone: ZoneInfo) -> list[Segment]:
    """Return what was to be billed with the end of a period that now ends at `at`, due with that: use after its grace."""
    made = [
        replace(each, due_at=at)
        if each.kind is SegmentKind.FEE
        else replace(each, due_at=grid.days_later(at, zone, each.terms.billing.grace_days))
        for each in closed
    ]
    return [each for each, was in zip(made, closed, strict=True) if each.due_at < was.due_at]


def next_usage_boundary(subscription: Subscription) -> datetime | None:
    """Return when use is closed next before its fee's period ends; None where it is closed with that."""
    every, since = subscription.terms.billing.usage_interval, subscription.usage_from
    if every is None or since is None or not subscription.terms.has_charges:
        return None
    boundary = grid.boundary_after(subscription.anchor_at, ZoneInfo(subscription.time_zone), every, since)
    return boundary if boundary < subscription.current_period.ends_at else None


def cuts_usage(before: Terms, after: Terms) -> bool:
    """Say whether use has other prices from now on. Another quantity alone changes the fee only."""
    return _prices_of_use(before) != _prices_of_use(after)


def _prices_of_use(terms: Terms) -> tuple[object, ...]:
    return (terms.plan_id, terms.plan_version, terms.currency, terms.has_charges, terms.overrides)


def _usage_period(subscription: Subscription, since: datetime, zone: ZoneInfo) -> Period:
    every = subscription.terms.billing.usage_interval
    if every is None:
        return subscription.full_period or subscription.current_period
    return grid.period_at(subscription.anchor_at, zone, every, since)[1]


def _segment(
    subscription: Subscription,
    kind: SegmentKind,
    period: Period,
    full: Period,
    due_at: datetime,
    closes_period: bool,  # noqa: FBT001
) -> Segment:
    return Segment(
        tenant_id=subscription.tenant_id,
        # Named by what it is, so that rehearsing it, or doing it late, makes the very same one.
        id=uuid5(subscription.id, f"{kind}:{period.starts_at.isoformat()}"),
        subscription_id=subscription.id,
        customer_id=subscription.customer_id,
        kind=kind,
        period=period,
        full_period=full,
        terms=subscription.terms,
        due_at=due_at,
        closes_period=closes_period,
    )
