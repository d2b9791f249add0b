"""What providers report of messages, and which of it says that an address takes nothing for good."""

import re
from uuid import UUID

REASON_MAX = 200
# Blocked, unknown, a landline, unsubscribed, no such number. A phone that is switched off (30003) may be on tomorrow.
TWILIO_HARD = frozenset({"30004", "30005", "30006", "21610", "21211", "21614"})
TWILIO_LOST = frozenset({"failed", "undelivered"})

_MESSAGE_ID = re.compile(r"<?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@")


def notification_of(message_id: str) -> UUID | None:
    """Return which message a Message-ID of ours names."""
    found = _MESSAGE_ID.match(message_id.strip().lower())
    return UUID(found[1]) if found else None


def printable_reason(reason: str) -> str:
    """Return a provider's words on one line and not too long; addresses in them are left out."""
    said = re.sub(r"\S+@\S+", "…", " ".join(reason.split()))
    return said[:REASON_MAX]
