"""When periods run: how the first one begins, when something is due next, how a new one begins and the last one ends."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.domain.subscriptions.model import NewSubscription, Status, Subscription
from guilder.domain.subscriptions.rules import grid, segments
from guilder.domain.subscriptions.rules.grid import Place
from guilder.domain.subscriptions.rules.lifecycle import MOVES, ROLLING, Step
from guilder.kernel import lifecycle
from guilder.kernel.noun import replace
from guilder.kernel.period import Period


def begin(order: NewSubscription, *, subscription_id: UUID, now: datetime) -> Subscription:
    """Make the subscription that was asked for.

    One that starts now is in its trial, active where nothing has to be paid first (free, or in arrears), or waits for
    its payment. One that starts on another date is scheduled, and due on that date, which for one in the past is at
    once: rolling it brings every period since. With `skips_past` it is active at once, in the period that holds `now`.
    """
    zone = ZoneInfo(order.time_zone)
    trial_ends_at = order.trial_ends_at
    if trial_ends_at is None and order.trial_days:
        trial_ends_at = grid.days_later(order.starts_at, zone, order.trial_days)
    counted_from = trial_ends_at or order.starts_at
    terms = order.terms
    anchor = order.anchor_at or grid.anchor_for(terms.billing, terms.interval, counted_from, zone)
    first = grid.place(anchor, zone, terms.interval, counted_from)
    if trial_ends_at is not None:
        first = Place(first.number - 1, Period(order.starts_at, trial_ends_at))
    made = Subscription(
        tenant_id=order.tenant_id,
        id=subscription_id,
        customer_id=order.customer_id,
        organization_id=order.organization_id,
        terms=terms,
        status=Status.SCHEDULED,
        anchor_at=anchor,
        time_zone=order.time_zone,
        period_number=first.number,
        current_period=first.period,
        full_period=first.full,
        created_at=now,
        starts_at=None if order.starts_at == now else order.starts_at,
        trial_ends_at=trial_ends_at,
        payment_method_id=order.payment_method_id,
        parent_id=order.parent_id,
        next_due_at=order.starts_at,
        terms_days=order.terms_days,
        metadata=order.metadata,
    )
    if order.starts_at < now and order.skips_past:
        return _begin_within(made, counted_from, now=now)
    return start(made) if order.starts_at == now else made


def start(subscription: Subscription) -> Subscription:
    """Its first day has come."""
    step = _first_step(subscription)
    started = replace(subscription, status=lifecycle.take(MOVES, subscription.status, step))
    if step is Step.START_TRIAL:
        return planned(started)  # neither fee nor use of a trial is charged
    return enter(started, Place(started.period_number, started.current_period, started.full_period))


def _first_step(subscription: Subscription) -> Step:
    terms, starts_at = subscription.terms, subscription.starts_at
    if subscription.trial_ends_at is not None:
        return Step.START_TRIAL
    # What began in the past runs: it is brought here from elsewhere, and not bought now.
    is_past = starts_at is not None and starts_at < subscription.created_at
    return Step.START if is_past or terms.billing.in_arrears or terms.amount.is_zero else Step.START_UNPAID


def _begin_within(scheduled: Subscription, counted_from: datetime, *, now: datetime) -> Subscription:
    if counted_from > now:
        return start(scheduled)  # its trial is not over yet
    zone = ZoneInfo(scheduled.time_zone)
    number, full = grid.period_at(scheduled.anchor_at, zone, scheduled.terms.interval, now)
    here = Place(number, full)
    if counted_from > full.starts_at:
        here = grid.place(scheduled.anchor_at, zone, scheduled.terms.interval, counted_from)
    return enter(replace(scheduled, status=lifecycle.take(MOVES, scheduled.status, Step.START)), here)


def due_at(subscription: Subscription) -> datetime | None:
    """Return the next instant at which something happens by itself."""
    if subscription.status is Status.SCHEDULED:
        return subscription.starts_at or subscription.current_period.starts_at
    if subscription.status is Status.PAUSED:
        return min((at for at in (subscription.resume_at, subscription.cancel_at) if at), default=None)
    if subscription.status not in ROLLING:
        return None
    change_at = subscription.pending_at if subscription.pending_terms else None
    dates = (subscription.cancel_at, change_at, segments.next_usage_boundary(subscription))
    return min([subscription.current_period.ends_at, *(at for at in dates if at is not None)])


def planned(subscription: Subscription) -> Subscription:
    """Return it with its next due instant worked out anew."""
    return replace(subscription, next_due_at=due_at(subscription))


def activate(subscription: Subscription) -> Subscription:
    """Its first invoice is paid: from here on its periods run."""
    return planned(replace(subscription, status=lifecycle.take(MOVES, subscription.status, Step.ACTIVATE)))


def enter(subscription: Subscription, here: Place) -> Subscription:
    """Begin a period. What is billed in arrears is counted from here."""
    terms, starts_at = subscription.terms, here.period.starts_at
    return planned(
        replace(
            subscription,
            period_number=here.number,
            current_period=here.period,
            full_period=here.full,
            fee_from=segments.open_from(starts_at, subscription.fee_from) if terms.billing.in_arrears else None,
            usage_from=segments.open_from(starts_at, subscription.usage_from) if terms.has_charges else None,
        )
    )


def restart(subscription: Subscription, *, at: datetime) -> Subscription:
    """Begin anew at `at`: the interval changed at once, or a pause or suspension outlasted what was paid.

    The periods are counted from here; where they keep to dates of the calendar, a stub comes first.
    """
    terms, zone = subscription.terms, ZoneInfo(subscription.time_zone)
    anchor = grid.anchor_for(terms.billing, terms.interval, at, zone)
    return enter(replace(subscription, anchor_at=anchor), grid.place(anchor, zone, terms.interval, at))


def take_pending(subscription: Subscription, *, at: datetime) -> Subscription:
    """Put the pending terms in force, if their time has come. Terms without a date come with the next period."""
    pending_at = subscription.pending_at
    if subscription.pending_terms is None or (pending_at is not None and pending_at > at):
        return subscription
    return replace(subscription, terms=subscription.pending_terms, pending_terms=None, pending_at=None)


def end(subscription: Subscription, *, step: Step, at: datetime) -> Subscription:
    return replace(
        subscription,
        status=lifecycle.take(MOVES, subscription.status, step),
        ended_at=at,
        next_due_at=None,
        pending_terms=None,
        pending_at=None,
        cancel_at_period_end=False,
        cancel_at=None,
        pause_at_period_end=False,
        resume_at=None,
        fee_from=None,
        usage_from=None,
    )


def never_began(subscription: Subscription) -> bool:
    """Say whether it has expired without having been had. What was opted out of, and ran out later, has been had."""
    if subscription.status is not Status.EXPIRED or subscription.ended_at is None:
        return False
    return subscription.canceled_at is None or subscription.canceled_at >= subscription.ended_at
