"""Other terms, now or later; a longer trial; another billing day."""

from datetime import datetime

from guilder.domain.catalog.model import Alignment
from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import (
    SubscriptionChangeRevoked,
    SubscriptionChangeScheduled,
    SubscriptionTrialExtended,
)
from guilder.domain.subscriptions.model import Changed, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import changes, grid, periods, trials
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.domain.subscriptions.service.beginning import plan_reminders
from guilder.domain.subscriptions.service.reading import check_future, current
from guilder.domain.subscriptions.service.telling import changed, event
from guilder.kernel import lifecycle
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class TrialNotLonger(Invalid):
    """A trial can be made longer, and not shorter."""

    code = "trial_not_longer"


class NoSuchBillingDay(Invalid):
    """What is billed by days or weeks has no day of the month."""

    code = "no_such_billing_day"


async def change(
    tx: Tx,
    *,
    ref: Ref,
    terms: Terms,
    at_period_end: bool = False,
    at: datetime | None = None,
    trial_ends_at: datetime | None = None,
    is_paid: bool = False,
    now: datetime,
) -> Changed:
    """Put other terms in force: now, from the next period on, or on a date in this period or a later one.

    Of several wishes the last one counts. A change now closes what was used on the old terms (`segments`); one of
    interval begins a period now (`began_period`): a full one, or a stub of the old grid, as the new terms say. The
    caller bills the difference. In a trial the trial goes on, with `trial_ends_at` as its end; one that is past ends it
    with this very instant, so that it has to be rolled. One that `is_paid` for was asked for before: it is put in force
    though something else is owed meanwhile.

    :raises StillDue: it has to be rolled first
    :raises IllegalStep: it is not in a state in which it can be changed
    :raises DateIsPast: `at` is not in the future
    """
    before = await current(tx, ref=ref, now=now)
    if at_period_end or at is not None:
        return await _plan(tx, before, terms, at=at, now=now)
    lifecycle.take(MOVES, before.status, Step.CHANGE_PAID if is_paid else Step.CHANGE)
    effect = changes.apply(before, terms, at=now, trial_ends_at=max(trial_ends_at, now) if trial_ends_at else None)
    after = effect.subscription
    await store.save(tx, [after])
    await store.insert_segments(tx, effect.segments)
    if after.trial_ends_at != before.trial_ends_at:
        await plan_reminders(tx, [after], now=now)
    outbox.announce(tx, [changed(after)], now=now)
    return Changed(before=before, after=after, segments=effect.segments, began_period=effect.began_period)


async def _plan(tx: Tx, before: Subscription, terms: Terms, *, at: datetime | None, now: datetime) -> Changed:
    lifecycle.take(MOVES, before.status, Step.SCHEDULE)
    if at is not None:
        check_future(at, now=now, field="effective_at")
    after = await _replanned(tx, replace(before, pending_terms=terms, pending_at=at))
    takes_effect_at = at or after.current_period.ends_at
    # The same change, asked for once more, is the wish that there was.
    if before.pending_terms != terms or (before.pending_at or before.current_period.ends_at) != takes_effect_at:
        outbox.announce(tx, [event(SubscriptionChangeScheduled, after, takes_effect_at=takes_effect_at)], now=now)
    return Changed(before=before, after=after)


async def revoke_change(tx: Tx, *, ref: Ref, now: datetime) -> Subscription:
    """Take a pending change back. Without one, nothing happens."""
    subscription = await current(tx, ref=ref, now=now)
    if subscription.pending_terms is None:
        return subscription
    kept = await _replanned(tx, replace(subscription, pending_terms=None, pending_at=None))
    outbox.announce(tx, [event(SubscriptionChangeRevoked, kept)], now=now)
    return kept


async def extend_trial(tx: Tx, *, ref: Ref, until: datetime, now: datetime) -> Subscription:
    """Let a trial end later. The reminders before its end come again.

    :raises IllegalStep: it is not in its trial
    :raises TrialNotLonger: it ends later than that as it is
    :raises TrialTooLong: it would last more than ten years
    """
    subscription = await current(tx, ref=ref, now=now)
    if subscription.status is not Status.TRIALING:
        raise lifecycle.IllegalStep(f"cannot extend the trial of what is {subscription.status.value}")
    if until <= subscription.current_period.ends_at:
        raise TrialNotLonger(field="trial_ends_at")
    trials.check_length(subscription.current_period.starts_at, until)
    extended = await _replanned(tx, changes.try_until(subscription, until))
    await plan_reminders(tx, [extended], now=now)
    outbox.announce(tx, [event(SubscriptionTrialExtended, extended, ends_at=until)], now=now)
    return extended


async def move_billing_day(
    tx: Tx, *, ref: Ref, alignment: Alignment, billing_day: int | None = None, now: datetime
) -> Changed:
    """Let periods begin on another date: a day of the month, the calendar's, or the present one (anniversary).

    What is paid stays as it is; from its end a stub runs to the new date, measured against the full period that ends
    there. A change that is still to come keeps to the new date.

    :raises IllegalStep: it is not running
    :raises NoSuchBillingDay: a day of the month, for what is billed by days or weeks
    """
    before = await current(tx, ref=ref, now=now)
    lifecycle.take(MOVES, before.status, Step.SCHEDULE)
    moved = changes.move_billing_day(before, alignment=alignment, billing_day=billing_day)
    if alignment is Alignment.BILLING_DAY and not grid.is_aligned(moved.terms.billing, moved.terms.interval):
        raise NoSuchBillingDay(field="billing_day")
    await store.save(tx, [moved])
    outbox.announce(tx, [changed(moved)], now=now)
    return Changed(before=before, after=moved)


async def _replanned(tx: Tx, subscription: Subscription) -> Subscription:
    planned = periods.planned(subscription)
    await store.save(tx, [planned])
    return planned
