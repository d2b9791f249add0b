"""Reminding of trials that end soon."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions import store
from guilder.domain.subscriptions.events import TrialEnding
from guilder.domain.subscriptions.model import Status
from guilder.domain.subscriptions.rules import trials
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
