"""Reminding of trials that end soon, and of renewals."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import SubscriptionRenewalUpcoming, TrialEnding
from guilder.domain.subscriptions.model import RenewalReminders, Status
from guilder.domain.subscriptions.rules import renewals, trials
from guilder.domain.subscriptions.service.telling import event
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def remind_of_trials(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Announce trials that end soon, each reminder once."""
    due = await store.claim_trial_reminders(tx, refs, now=now)
    if not due:
        return 0
    await store.plan_trial_reminders(
        tx, [(s.ref, trials.next_reminder(s.trial_ends_at, after=due_at)) for s, due_at in due]
    )
    events = [
        event(TrialEnding, s, days_left=trials.days_left(s.trial_ends_at, due_at=due_at), ends_at=s.trial_ends_at)
        for s, due_at in due
        if s.status is Status.TRIALING and s.trial_ends_at is not None
    ]
    outbox.announce(tx, events, now=now)
    return len(due)


async def remind_of_renewals(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Announce renewals that are near, each once. One that came to pass before its turn is not announced any more."""
    due = await store.claim_renewal_reminders(tx, refs, now=now)
    if not due:
        return 0
    await store.renewals_reminded(tx, [s.ref for s in due])
    near = [(s, renews) for s in due if (renews := renewals.renews_at(s)) is not None and renews > now]
    events = [
        event(SubscriptionRenewalUpcoming, s, days_left=renewals.days_left(renews, now=now), renews_at=renews)
        for s, renews in near
    ]
    outbox.announce(tx, events, now=now)
    return len(due)


async def renewal_reminders(tx: Tx) -> RenewalReminders:
    return await store.renewal_reminders(tx) or RenewalReminders(tenant_id=tx.tenant_id)


async def set_renewal_reminders(tx: Tx, *, reminders: RenewalReminders, now: datetime) -> RenewalReminders:
    """Announce renewals so many days before them from now on, those of the periods that run included.

    :raises BadReminderDays: names the field
    """
    await store.save_renewal_reminders(tx, renewals.checked(reminders), now=now)
    return reminders
