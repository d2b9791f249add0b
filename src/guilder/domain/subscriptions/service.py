"""The verbs of subscriptions. Each takes a batch, locks it in one order, and announces what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionCancelScheduled,
    SubscriptionChanged,
    SubscriptionChangeScheduled,
    SubscriptionCreated,
    SubscriptionEnded,
    SubscriptionEvent,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SubscriptionRenewalResumed,
    SubscriptionRenewed,
    SubscriptionSuspended,
    TrialEnding,
)
from guilder.domain.subscriptions.model import NewSubscription, Rolled, Status, Subscription, Terms, Turn
from guilder.domain.subscriptions.rules import periods, trials
from guilder.domain.subscriptions.rules.lifecycle import MOVES, ROLLING, Step, allows
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

E = TypeVar("E", bound=SubscriptionEvent)


class StillDue(Conflict):
    """The subscription has a period that ended and is not billed yet; roll it first."""

    code = "subscription_still_due"


async def create(tx: Tx, *, orders: Sequence[NewSubscription], now: datetime) -> list[Subscription]:
    """Make subscriptions: in trial, active when nothing is to be paid, else `processing` until the first payment."""
    made = [periods.begin(order, subscription_id=ids.new(now), now=now) for order in orders]
    await store.insert(tx, made)
    in_trial = [s for s in made if s.status is Status.TRIALING]
    if in_trial:
        plan = [(s.ref, trials.next_reminder(s.trial_ends_at, after=now)) for s in in_trial]
        await store.plan_trial_reminders(tx, plan)
    outbox.announce(tx, [_event(SubscriptionCreated, s, status=s.status.value) for s in made], now=now)
    outbox.announce(tx, [_activated(s) for s in made if s.status is not Status.PROCESSING], now=now)
    return made


async def activate(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """Begin what was waiting for its first payment. What is not waiting is left alone."""
    waiting = [s for s in await store.lock(tx, refs) if s.status is Status.PROCESSING]
    active = [periods.activate(s) for s in waiting]
    await store.save(tx, active)
    outbox.announce(tx, [_activated(s) for s in active], now=now)
    return active


async def roll_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Rolled]:
    """Take every step that is due up to `now`: periods begin, pending changes take effect, what was opted out of ends.

    One subscription may take several, in order; rows that somebody else is at are left to them.
    """
    claimed = await store.claim_due(tx, refs, now=now)
    rolled = [periods.roll(s, now=now) for s in claimed]
    await store.save(tx, [s for s, _ in rolled])
    for before, (_, turns) in zip(claimed, rolled, strict=True):
        _announce_turns(tx, before, turns, now=now)
    return [turn for _, turns in rolled for turn in turns]


async def get(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Subscription]:
    return {s.ref: s for s in await store.get(tx, refs)}


async def one(tx: Tx, *, ref: Ref) -> Subscription:
    """Return a subscription.

    :raises NotFound: no such subscription
    """
    found = await store.get(tx, [ref])
    if not found:
        raise NotFound("there is no such subscription")
    return found[0]


async def lock(tx: Tx, *, ref: Ref) -> Subscription:
    """Return a subscription, held until the transaction ends.

    :raises NotFound: no such subscription
    """
    found = await store.lock(tx, [ref])
    if not found:
        raise NotFound("there is no such subscription")
    return found[0]


async def of_customer(tx: Tx, *, customer_id: CustomerId) -> list[Subscription]:
    return await store.of_customer(tx, customer_id)


async def of_organization(tx: Tx, *, organization_id: str) -> list[Subscription]:
    """Return an organization's subscriptions, newest first."""
    return await store.of_organization(tx, organization_id)


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    organization_id: str | None = None,
    status: Status | None = None,
) -> Page[Subscription]:
    rows = await store.listing(tx, query, customer_id=customer_id, organization_id=organization_id, status=status)
    return page_of(rows, query, lambda s: s.id)


async def change(tx: Tx, *, ref: Ref, terms: Terms, at_period_end: bool, now: datetime) -> Subscription:
    """Put other terms in force: now, or from the next period on.

    A change of interval that takes effect now begins a new period now. The caller bills the difference.

    :raises StillDue: it has to be rolled first
    :raises IllegalStep: it is not in a state in which it can be changed
    """
    subscription = await _current(tx, ref=ref, now=now)
    if at_period_end:
        lifecycle.take(MOVES, subscription.status, Step.SCHEDULE)
        planned = replace(subscription, pending_terms=terms)
        await store.save(tx, [planned])
        event = _event(SubscriptionChangeScheduled, planned, takes_effect_at=planned.current_period.ends_at)
        outbox.announce(tx, [event], now=now)
        return planned
    lifecycle.take(MOVES, subscription.status, Step.CHANGE)
    changed = replace(subscription, terms=terms, pending_terms=None)
    if terms.interval != subscription.terms.interval and subscription.status is not Status.TRIALING:
        changed = periods.restart(changed, at=now)
    await store.save(tx, [changed])
    outbox.announce(tx, [_changed(changed)], now=now)
    return changed


async def revoke_change(tx: Tx, *, ref: Ref, now: datetime) -> Subscription:
    """Take a pending change back. Without one, nothing happens."""
    subscription = await _current(tx, ref=ref, now=now)
    kept = replace(subscription, pending_terms=None)
    await store.save(tx, [kept])
    return kept


async def cancel(tx: Tx, *, ref: Ref, at_period_end: bool, now: datetime) -> Subscription:
    """End it now, or opt out of renewal: then it runs to the end of what is paid.

    :raises IllegalStep: it has ended already, or is not running
    """
    subscription = await _current(tx, ref=ref, now=now)
    if at_period_end and subscription.status in ROLLING:
        opted_out = replace(subscription, cancel_at_period_end=True, canceled_at=now, pending_terms=None)
        await store.save(tx, [opted_out])
        event = _event(SubscriptionCancelScheduled, opted_out, ends_at=opted_out.current_period.ends_at)
        outbox.announce(tx, [event], now=now)
        return opted_out
    ended = periods.end(replace(subscription, canceled_at=now), step=Step.CANCEL, at=now)
    await store.save(tx, [ended])
    outbox.announce(tx, [_ended(ended)], now=now)
    return ended


async def keep(tx: Tx, *, ref: Ref, now: datetime) -> Subscription:
    """Opt in to renewal again, before the period has ended. Without an opting out, nothing happens."""
    subscription = await _current(tx, ref=ref, now=now)
    lifecycle.take(MOVES, subscription.status, Step.SCHEDULE)
    if not subscription.cancel_at_period_end:
        return subscription
    kept = replace(subscription, cancel_at_period_end=False, canceled_at=None)
    await store.save(tx, [kept])
    outbox.announce(tx, [_event(SubscriptionRenewalResumed, kept)], now=now)
    return kept


async def set_payment_method(tx: Tx, *, ref: Ref, payment_method_id: UUID, now: datetime) -> Subscription:
    subscription = await _current(tx, ref=ref, now=now)
    changed = replace(subscription, payment_method_id=payment_method_id)
    await store.save(tx, [changed])
    return changed


async def use_methods(tx: Tx, *, methods: Mapping[Ref, UUID], now: datetime) -> list[Subscription]:
    """Charge these subscriptions with other methods from now on."""
    found = await store.lock(tx, sorted(methods))
    changed = [replace(s, payment_method_id=methods[s.ref]) for s in found if s.payment_method_id != methods[s.ref]]
    await store.save(tx, changed)
    return changed


async def mark_past_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """A payment failed: periods run on, while it is tried again. What is not active is left alone."""
    behind = [s for s in await store.lock(tx, refs) if s.status is Status.ACTIVE]
    marked = [replace(s, status=lifecycle.take(MOVES, s.status, Step.FALL_BEHIND)) for s in behind]
    await store.save(tx, marked)
    outbox.announce(tx, [_event(SubscriptionPastDue, s) for s in marked], now=now)
    return marked


async def suspend(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """Every try failed: nothing more is billed until what is owed is paid."""
    running = [s for s in await store.lock(tx, refs) if s.status in (Status.ACTIVE, Status.PAST_DUE)]
    suspended = [replace(s, status=lifecycle.take(MOVES, s.status, Step.SUSPEND), next_due_at=None) for s in running]
    await store.save(tx, suspended)
    outbox.announce(tx, [_event(SubscriptionSuspended, s) for s in suspended], now=now)
    return suspended


async def recover(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """What was owed is paid. Return those that began a new period with it, which the caller has to bill."""
    behind = [s for s in await store.lock(tx, refs) if allows(s.status, Step.RECOVER)]
    recovered = [periods.recover(s, at=now) for s in behind]
    await store.save(tx, [s for s, _ in recovered])
    # What was opted out of, and whose period is over, ended with being paid.
    outbox.announce(tx, [_ended(s) for s, _ in recovered if s.ended_at is not None], now=now)
    changed = [s for was, (s, _) in zip(behind, recovered, strict=True) if s.terms != was.terms]
    events = [
        _event(
            SubscriptionRecovered,
            s,
            period_starts_at=s.current_period.starts_at,
            period_ends_at=s.current_period.ends_at,
        )
        for s, _ in recovered
        if s.ended_at is None
    ]
    outbox.announce(tx, [_changed(s) for s in changed], now=now)
    outbox.announce(tx, events, now=now)
    return [s for s, is_new_period in recovered if is_new_period]


async def end(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """End what is not ended yet: canceled if it had begun, expired if it was never paid for."""
    running = [s for s in await store.lock(tx, refs) if allows(s.status, Step.CANCEL)]
    ended = [periods.end(s, step=Step.CANCEL, at=now) for s in running]
    await store.save(tx, ended)
    outbox.announce(tx, [_ended(s) for s in ended], now=now)
    return ended


async def remind_of_trials(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Announce trials that end soon, each reminder once."""
    due = await store.claim_trial_reminders(tx, refs, now=now)
    if not due:
        return 0
    await store.plan_trial_reminders(
        tx, [(s.ref, trials.next_reminder(s.trial_ends_at, after=due_at)) for s, due_at in due]
    )
    events = [
        _event(TrialEnding, s, days_left=trials.days_left(s.trial_ends_at, due_at=due_at), ends_at=s.trial_ends_at)
        for s, due_at in due
        if s.status is Status.TRIALING and s.trial_ends_at is not None
    ]
    outbox.announce(tx, events, now=now)
    return len(due)


async def _current(tx: Tx, *, ref: Ref, now: datetime) -> Subscription:
    subscription = await lock(tx, ref=ref)
    if subscription.next_due_at is not None and subscription.next_due_at <= now:
        raise StillDue
    return subscription


def _announce_turns(tx: Tx, before: Subscription, turns: Sequence[Rolled], *, now: datetime) -> None:
    terms = before.terms
    for turn in turns:
        after = turn.subscription
        if turn.terms != terms:
            outbox.announce(tx, [_changed(after)], now=now)
            terms = turn.terms
        if turn.turn is Turn.ENDED:
            outbox.announce(tx, [_ended(after)], now=now)
        else:
            assert turn.period is not None
            event = _event(
                SubscriptionRenewed,
                after,
                period_starts_at=turn.period.starts_at,
                period_ends_at=turn.period.ends_at,
            )
            outbox.announce(tx, [event], now=now)


def _event(kind: Callable[..., E], s: Subscription, **more: Any) -> E:
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


def _activated(s: Subscription) -> SubscriptionActivated:
    return _event(
        SubscriptionActivated,
        s,
        status=s.status.value,
        period_starts_at=s.current_period.starts_at,
        period_ends_at=s.current_period.ends_at,
    )


def _changed(s: Subscription) -> SubscriptionChanged:
    return _event(SubscriptionChanged, s, quantity=s.terms.quantity, billing_cycle=s.terms.billing_cycle)


def _ended(s: Subscription) -> SubscriptionEnded:
    assert s.ended_at is not None
    return _event(SubscriptionEnded, s, status=s.status.value, ended_at=s.ended_at)
