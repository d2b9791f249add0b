"""When a case is tried again, reminded of, and blocked. Days are 24 hours, counted from the first failure.

Every date is worked out from the facts' own times and never from when they were heard of: a worker that was down for
an hour plans the same instants.
"""

from datetime import datetime, timedelta

from guilder.domain.dunning.model import FinalAction, Policy, Rhythm, Schedule
from guilder.domain.dunning.rules import paydays
from guilder.kernel.errors import Invalid

RETRIES_MAX = 8
RETRY_DAY_MAX = 60
ANYWHERE = Rhythm()
OVERDUE_AFTER = timedelta(hours=1)  # past the due date: so long invoicing waits before it tells


class BadPolicy(Invalid):
    """The days of the retries should go up, from 1 to 60, and be 8 at most."""

    code = "bad_dunning_policy"


def next_retry(
    policy: Policy, *, first_failed_at: datetime, retries_made: int, rhythm: Rhythm = ANYWHERE
) -> datetime | None:
    """Return when the next automatic try is; None when all were made."""
    if retries_made >= len(policy.retry_days):
        return None
    return _retry(policy, retries_made, first_failed_at=first_failed_at, rhythm=rhythm)


def retries_after_pause(
    policy: Policy, *, first_failed_at: datetime, retries_made: int, now: datetime, rhythm: Rhythm = ANYWHERE
) -> tuple[int, datetime | None]:
    """Return how many tries count as made, and when the next one is, for a case that goes on at `now`.

    Of several whose dates went by, one is made, at once: nobody's card is tried three times in a minute.
    """
    dates = [
        _retry(policy, number, first_failed_at=first_failed_at, rhythm=rhythm)
        for number in range(retries_made, len(policy.retry_days))
    ]
    missed = sum(date <= now for date in dates)
    if missed:
        return retries_made + missed - 1, now
    return retries_made, dates[0] if dates else None


def _retry(policy: Policy, number: int, *, first_failed_at: datetime, rhythm: Rhythm) -> datetime:
    days = policy.retry_days
    planned = first_failed_at + timedelta(days=days[number])
    following = first_failed_at + timedelta(days=days[number + 1]) if number + 1 < len(days) else None
    return paydays.moved(policy, planned, following=following, rhythm=rhythm)


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


def example(policy: Policy, *, failed_at: datetime, rhythm: Rhythm = ANYWHERE) -> Schedule:
    """Return what the policy comes to for something that fails at `failed_at`, and is never paid."""
    retries = tuple(
        _retry(policy, number, first_failed_at=failed_at, rhythm=rhythm) for number in range(len(policy.retry_days))
    )
    ends_at = retries[-1] if retries else failed_at
    every = timedelta(days=policy.reminder_every_days)
    blocks_at = failed_at if policy.blocks_at_first_failure else block_at(policy, exhausted_at=ends_at)
    if policy.final_action is FinalAction.CANCEL:
        blocks_at = min(blocks_at, ends_at)
    return Schedule(
        failed_at=failed_at,
        retries=retries,
        reminders=tuple(failed_at + every * n for n in range(1, policy.reminders_max + 1)),
        ends_at=ends_at,
        blocks_at=blocks_at,
    )


def checked(policy: Policy) -> Policy:
    """Let a policy pass whose days make sense.

    :raises BadPolicy: they do not
    """
    days = policy.retry_days
    if len(days) > RETRIES_MAX or list(days) != sorted(set(days)) or any(not 1 <= d <= RETRY_DAY_MAX for d in days):
        raise BadPolicy(field="retry_days")
    return policy
