"""What counts as one and the same cause, however often it is heard of: each is told of once a channel."""

from datetime import datetime
from uuid import UUID, uuid5


def retry(case_id: UUID, retries_made: int, methods_tried: int) -> UUID:
    """Name one failed try of a case: 0 is the first payment, which opened it. One with a method that was not tried before is
    another one, also where there was none at all; by hand with the same it is not, nor is what its customer tries by link."""
    of_another = f":{methods_tried}" if methods_tried != 1 else ""
    return uuid5(case_id, f"retry:{retries_made}{of_another}")


def reminder(case_id: UUID, number: int) -> UUID:
    return uuid5(case_id, f"reminder:{number}")


def end(subscription_id: UUID, ends_at: datetime, wished_at: datetime | None = None) -> UUID:
    """Name an end: to hear that it is planned, and then that it came, is to hear of one thing. One that was taken back and
    wished for again is another."""
    wish = f":{wished_at.isoformat()}" if wished_at else ""
    return uuid5(subscription_id, f"end:{ends_at.isoformat()}{wish}")


def trial_ending(subscription_id: UUID, days_left: int, ends_at: datetime) -> UUID:
    """Name a reminder by the end that it speaks of, too: one that is put off is reminded of anew."""
    return uuid5(subscription_id, f"trial:{days_left}:{ends_at.isoformat()}")


def pause(subscription_id: UUID, paused_at: datetime) -> UUID:
    return uuid5(subscription_id, f"pause:{paused_at.isoformat()}")


def resumption(subscription_id: UUID, starts_at: datetime, ends_at: datetime) -> UUID:
    """Name a resumption by the period that it brought: the time of a pause, or what is billed anew, moves its end."""
    return uuid5(subscription_id, f"resume:{starts_at.isoformat()}:{ends_at.isoformat()}")


def trial_extended(subscription_id: UUID, ends_at: datetime) -> UUID:
    return uuid5(subscription_id, f"trial_extended:{ends_at.isoformat()}")


def alert(alert_id: UUID, window_starts_at: datetime) -> UUID:
    return uuid5(alert_id, f"alert:{window_starts_at.isoformat()}")


def renewal(subscription_id: UUID, renews_at: datetime) -> UUID:
    return uuid5(subscription_id, f"renewal:{renews_at.isoformat()}")


def card_expiring(payment_method_id: UUID, days_left: int, expires: str) -> UUID:
    """Name a warning by the date that it speaks of, too: a card that its bank renews is warned of anew, years later."""
    return uuid5(payment_method_id, f"expiring:{days_left}:{expires}")
