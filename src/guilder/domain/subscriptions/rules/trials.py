"""How long a trial may be, and when its end is announced: so many days before it."""

from datetime import datetime, timedelta

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


def next_reminder(trial_ends_at: datetime | None, *, after: datetime) -> datetime | None:
    """Return the first reminder's instant later than `after`; None when there is none left."""
    if trial_ends_at is None:
        return None
    instants = [trial_ends_at - timedelta(days=days) for days in REMINDER_DAYS]
    return min((instant for instant in instants if instant > after), default=None)


def days_left(trial_ends_at: datetime, *, due_at: datetime) -> int:
    return (trial_ends_at - due_at).days
