"""When a trial's end is announced: so many days before it."""

from datetime import datetime, timedelta

REMINDER_DAYS = (3, 1)


def next_reminder(trial_ends_at: datetime | None, *, after: datetime) -> datetime | None:
    """Return the first reminder's instant later than `after`; None when there is none left."""
    if trial_ends_at is None:
        return None
    instants = [trial_ends_at - timedelta(days=days) for days in REMINDER_DAYS]
    return min((instant for instant in instants if instant > after), default=None)


def days_left(trial_ends_at: datetime, *, due_at: datetime) -> int:
    return (trial_ends_at - due_at).days
