"""How subscriptions begin."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import SubscriptionCreated
from guilder.domain.subscriptions.model import NewSubscription, Status, Subscription
from guilder.domain.subscriptions.rules import periods, rolling, trials
from guilder.domain.subscriptions.service.telling import activated, event
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

WAITING = frozenset({Status.SCHEDULED, Status.PROCESSING})


async def create(tx: Tx, *, orders: Sequence[NewSubscription], now: datetime) -> list[Subscription]:
    """Make subscriptions: in trial, active when nothing is to be paid first, else `processing` until the first payment.

    One that starts on another date than `now` is `scheduled`. One whose date is past is due at once: roll it in the same
    transaction (`roll_due`), which makes it active and brings every period since; or say `skips_past`, which makes it
    active in its present period, whose fee the caller bills.

    :raises TrialTooLong: it lasts more than ten years
    :raises TooManyPeriods: it began so long ago that its periods cannot be rolled at once
    """
    for order in orders:
        trials.check_length(order.starts_at, order.trial_ends_at)
    made = [periods.begin(order, subscription_id=ids.new(now), now=now) for order in orders]
    for each in made:
        if each.status is Status.SCHEDULED and each.current_period.starts_at < now:
            rolling.check_steps(each, now=now)
    await store.insert(tx, made)
    await plan_reminders(tx, [s for s in made if s.status is Status.TRIALING])
    outbox.announce(tx, [event(SubscriptionCreated, s, status=s.status.value) for s in made], now=now)
    outbox.announce(tx, [activated(s) for s in made if s.status not in WAITING], now=now)
    return made


async def activate(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Subscription]:
    """Begin what was waiting for its first payment. What is not waiting is left alone."""
    if not refs:
        return []
    waiting = [s for s in await store.lock(tx, refs) if s.status is Status.PROCESSING]
    active = [periods.activate(s) for s in waiting]
    await store.save(tx, active)
    outbox.announce(tx, [activated(s) for s in active], now=now)
    return active


async def plan_reminders(tx: Tx, in_trial: Sequence[Subscription], *, now: datetime | None = None) -> None:
    """Plan the reminders of trials: all those that come after `now`, or after the trial's start."""
    plan = [(s.ref, trials.next_reminder(s.trial_ends_at, after=now or s.current_period.starts_at)) for s in in_trial]
    if plan:
        await store.plan_trial_reminders(tx, plan)
