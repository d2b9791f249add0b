"""When a case is tried again, reminded of, and blocked. Days are 24 hours, counted from the first failure.

Every date is worked out from the facts' own times and never from when they were heard of: a worker that was down for
an hour plans the same instants.
"""

from datetime import datetime, timedelta

from guilder.domain.dunning.model import Policy
from guilder.kernel.errors import Invalid

RETRIES_MAX = 8
RETRY_DAY_MAX = 60


class BadPolicy(Invalid):
    """The days of the retries should go up, from 1 to 60, and be 8 at most."""

    code = "bad_dunning_policy"


def next_retry(policy: Policy, *, first_failed_at: datetime, retries_made: int) -> datetime | None:
    """Return when the next automatic try is; None when all were made."""
    if retries_made >= len(policy.retry_days):
        return None
    return first_failed_at + timedelta(days=policy.retry_days[retries_made])


def next_reminder(policy: Policy, *, first_failed_at: datetime, after: datetime) -> datetime | None:
    """Return the first reminder's instant later than `after`; None when there are no more.

    Reminders that were missed are not sent all at once: the next one is.
    """
    every = timedelta(days=policy.reminder_every_days)
    number = max((after - first_failed_at) // every + 1, 1)
    return first_failed_at + every * number if number <= policy.reminders_max else None


def time_is_up_at(policy: Policy, *, due_at: datetime) -> datetime:
    """Return until when what was sent with terms is waited for: as long as others are tried."""
    return due_at + timedelta(days=max(policy.retry_days, default=0))


def block_at(policy: Policy, *, exhausted_at: datetime) -> datetime:
    return exhausted_at + timedelta(days=policy.grace_days)


def checked(policy: Policy) -> Policy:
    """Let a policy pass whose days make sense.

    :raises BadPolicy: they do not
    """
    days = policy.retry_days
    if len(days) > RETRIES_MAX or list(days) != sorted(set(days)) or any(not 1 <= d <= RETRY_DAY_MAX for d in days):
        raise BadPolicy(field="retry_days")
    return policy
