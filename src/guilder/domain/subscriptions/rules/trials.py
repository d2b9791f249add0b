"""How long a trial may be, where a change leaves its end, and when that is announced: so many days before it."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.domain.subscriptions.rules import grid
from guilder.kernel.errors import Invalid

REMINDER_DAYS = (3, 1)
LENGTH_MAX = timedelta(days=3653)  # ten years


class TrialTooLong(Invalid):
    """A trial lasts ten years at most."""

    code = "trial_too_long"


def check_length(starts_at: datetime, ends_at: datetime | None) -> None:
    """Let a trial pass that somebody could mean.

    :raises TrialTooLong: names the field
    """
    if ends_at is not None and ends_at - starts_at > LENGTH_MAX:
        raise TrialTooLong(field="trial_ends_at")


def end_after(subscription: Subscription, terms: Terms, *, at: datetime) -> datetime | None:
    """Return when a trial ends after a change to another plan at `at`: that plan's length after the trial's own start.

    Where that is over already, or the plan has no trial, it ends with the change. None: it ends as it would have, for
    there is no trial, or the plan is the same.
    """
    is_other = terms.plan_id != subscription.terms.plan_id
    if subscription.status is not Status.TRIALING or not is_other or terms.trial_days is None:
        return None
    zone = ZoneInfo(subscription.time_zone)
    return max(grid.days_later(subscription.current_period.starts_at, zone, terms.trial_days), at)


def next_reminder(trial_ends_at: datetime | None, *, after: datetime) -> datetime | None:
    """Return the first reminder's instant later than `after`; None when there is none left."""
    if trial_ends_at is None:
        return None
    instants = [trial_ends_at - timedelta(days=days) for days in REMINDER_DAYS]
    return min((instant for instant in instants if instant > after), default=None)


def days_left(trial_ends_at: datetime, *, due_at: datetime) -> int:
    return (trial_ends_at - due_at).days
