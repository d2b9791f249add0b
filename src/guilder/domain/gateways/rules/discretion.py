"""What events may not carry."""

import hashlib
from uuid import UUID

from guilder.domain.gateways.model import Outcome
from guilder.kernel.noun import replace


def without_token(outcome: Outcome) -> Outcome:
    """Take the card's token out: an event is kept for long and read by many."""
    return replace(outcome, card=replace(outcome.card, token="")) if outcome.card else outcome


def token_digest(account_id: UUID, token: str) -> str:
    """Return what a saved method is recognised by where its token may not be said: only whoever has the token knows it."""
    return hashlib.sha256(f"{account_id}|{token}".encode()).hexdigest()
