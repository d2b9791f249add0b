"""Whether a subscription is going to stop: an end that is wished for, a pause that is planned with its period's end."""

from datetime import datetime

from guilder.domain.subscriptions.model import Subscription


def leaves_at(subscription: Subscription) -> datetime | None:
    """Return when it is to end; None: nobody wished for that."""
    return subscription.current_period.ends_at if subscription.cancel_at_period_end else subscription.cancel_at


def pauses_with_period(subscription: Subscription) -> bool:
    """Say whether it pauses when its period is over. A pause that is to be over by then, since the period was made longer
    by another interval or billing day, is none."""
    resume_at = subscription.resume_at
    return subscription.pause_at_period_end and (resume_at is None or resume_at > subscription.current_period.ends_at)


def stops_by(subscription: Subscription, at: datetime) -> bool:
    """Say whether it is to have ended at an instant, or to have paused then with its present period."""
    ends_at = leaves_at(subscription)
    is_leaving = ends_at is not None and ends_at <= at
    return is_leaving or (pauses_with_period(subscription) and subscription.current_period.ends_at <= at)


def stops_with_period(subscription: Subscription) -> bool:
    """Say whether no other period follows on the present one."""
    return stops_by(subscription, subscription.current_period.ends_at)
