"""The steps of an erasure, in order. Each is repeated until it is through, a batch at a time, and can be begun anew."""

from enum import StrEnum

from guilder.domain.privacy.model import Kept

FIRST = "rooms"


class Doing(StrEnum):
    ROOMS = FIRST  # the key is destroyed, and every room forgets what it has few rows of, in one transaction
    WORDS = "words"  # what is written on legal documents is sealed
    USE = "use"  # properties of readings
    LOG = "log"  # the log, a day at a time
    ANSWERS = "answers"  # stored answers of requests with an idempotency key
    FILES = "files"  # exports that were made before


def after(step: Doing) -> Doing | None:
    steps = list(Doing)
    at = steps.index(step) + 1
    return steps[at] if at < len(steps) else None


BOOKS = "GDPR Art. 17(3)(b): books of account hold amounts, dates and ids, and no name"
COUNTED_ONCE = "GDPR Art. 17(3)(e): a reading's id is kept so that it is never billed twice"
PROOF = "GDPR Art. 5(2): that the request was answered can be shown"

ALWAYS_KEPT = (
    Kept("ledger_and_payments", 0, None, BOOKS),
    Kept("usage_quantities", 0, None, COUNTED_ONCE),
    Kept("privacy_requests", 0, None, PROOF),
)
PROVIDERS = Kept(
    "payment_methods_at_providers",
    0,
    None,
    "removed here; a provider keeps its own copy, to be erased in its dashboard",
)
