"""Which renewal there is to announce, and how many days before it: none by default, but a week where a year is paid."""

from datetime import datetime, timedelta

from guilder.domain.subscriptions.model import RenewalReminders, Status, Subscription
from guilder.domain.subscriptions.rules import periods
from guilder.domain.subscriptions.rules.leaving import stops_with_period
from guilder.kernel.errors import Invalid
from guilder.kernel.period import Unit

DAYS_MAX = 60
_YEAR_MONTHS = 12
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.HALF_YEAR: 6, Unit.YEAR: 12}


class BadReminderDays(Invalid):
    """A renewal is announced 0 (never) to 60 days before it."""

    code = "bad_reminder_days"


def checked(reminders: RenewalReminders) -> RenewalReminders:
    """Let days pass that can be.

    :raises BadReminderDays: names the field
    """
    for name in ("days", "yearly_days"):
        if not 0 <= getattr(reminders, name) <= DAYS_MAX:
            raise BadReminderDays(field=name)
    return reminders


def renews_at(subscription: Subscription) -> datetime | None:
    """Return when it will be charged again by itself; None where it will not, or has nothing to pay then."""
    s = subscription
    ends_at = s.current_period.ends_at
    goes_on = s.status is Status.ACTIVE and s.next_due_at is not None and not stops_with_period(s)
    # An add-on renews with what it belongs to, which is announced.
    is_told = s.parent_id is None and not periods.take_pending(s, at=ends_at).terms.amount.is_zero
    return ends_at if goes_on and is_told else None


def renews_yearly(subscription: Subscription) -> bool:
    interval = subscription.terms.interval
    return _MONTHS.get(interval.unit, 0) * interval.count >= _YEAR_MONTHS


def days_left(renews: datetime, *, now: datetime) -> int:
    """Return the whole days until a renewal, at least 0."""
    return max((renews - now) // timedelta(days=1), 0)
