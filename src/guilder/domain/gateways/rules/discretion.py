"""What events may not carry."""

from guilder.domain.gateways.model import Outcome
from guilder.kernel.noun import replace


def without_token(outcome: Outcome) -> Outcome:
    """Take the card's token out: an event is kept for long and read by many."""
    return replace(outcome, card=replace(outcome.card, token="")) if outcome.card else outcome
