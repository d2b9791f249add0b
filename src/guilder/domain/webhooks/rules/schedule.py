"""When a message is tried again, and when an endpoint is given up.

    attempt    1        2     3       4        5     6     7      8      9      10
    after      at once  5 s   5 min   30 min   2 h   5 h   10 h   14 h   20 h   24 h   = a little over three days

Each wait is up to a tenth shorter or longer, by the message's id: what failed together does not return together, and
the same message returns at the same instant, whoever works it out.
"""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS_MAX = len(WAITS) + 1
# What a receiver may ask for by Retry-After.
RETRY_AFTER_MAX = timedelta(hours=24)
FAILING_MAX = timedelta(days=5)
OVERLAP = timedelta(hours=24)


def next_attempt(
    message_id: UUID, *, tries: int, failed_at: datetime, retry_after: timedelta | None = None
) -> datetime | None:
    """Return when to try again after the `tries`-th failure; None: that was the last."""
    assert tries >= 1, tries
    if tries >= ATTEMPTS_MAX:
        return None
    asked = min(retry_after or timedelta(0), RETRY_AFTER_MAX)
    return failed_at + max(jittered(WAITS[tries - 1], message_id, tries), asked)


def jittered(wait: timedelta, message_id: UUID, tries: int) -> timedelta:
    """Return 90 % to 110 % of a wait, the same for the same message and try."""
    drawn = hashlib.sha256(message_id.bytes + tries.to_bytes(2, "big")).digest()
    return wait * (900 + int.from_bytes(drawn[:4], "big") % 201) // 1000


def is_given_up(failing_since: datetime | None, *, now: datetime) -> bool:
    return failing_since is not None and now - failing_since >= FAILING_MAX
