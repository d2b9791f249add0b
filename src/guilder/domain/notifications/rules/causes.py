"""What counts as one and the same cause, however often it is heard of: each is told of once a channel."""

from datetime import datetime
from uuid import UUID, uuid5


def retry(case_id: UUID, retries_made: int) -> UUID:
    """Name one failed try of a case: 0 is the first payment, which opened it."""
    return uuid5(case_id, f"retry:{retries_made}")


def reminder(case_id: UUID, number: int) -> UUID:
    return uuid5(case_id, f"reminder:{number}")


def end(subscription_id: UUID, ends_at: datetime) -> UUID:
    """Name an end: to hear that it is planned, and then that it came, is to hear of one thing."""
    return uuid5(subscription_id, f"end:{ends_at.isoformat()}")


def trial_ending(subscription_id: UUID, days_left: int) -> UUID:
    return uuid5(subscription_id, f"trial:{days_left}")
