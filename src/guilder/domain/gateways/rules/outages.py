"""When an account counts as down: its calls go unanswered one after another. Any answer ends it.

Each process's circuit breaker closes the way for a moment; this is what all processes know, and what routing asks.
"""

from datetime import datetime, timedelta

OUTAGES_MIN = 5
DOWN_FIRST = timedelta(minutes=1)
DOWN_MAX = timedelta(minutes=15)


def after(
    outages: int, down_until: datetime | None, *, answers: int, silences: int, now: datetime
) -> tuple[int, datetime | None]:
    """Return the unanswered calls in a row, and until when the account is down, after these calls.

    Answers and silences of one batch are not in an order: an answer among them ends the row.
    """
    if answers:
        return 0, None
    row = outages + silences
    if row < OUTAGES_MIN or silences == 0:
        return row, down_until
    if down_until is not None and now < down_until:
        return row, down_until
    return row, now + min(DOWN_FIRST * 2 ** min((row - OUTAGES_MIN) // OUTAGES_MIN, 10), DOWN_MAX)
