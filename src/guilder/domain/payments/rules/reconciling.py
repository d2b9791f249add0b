"""What follows from an entry of a provider's own books, beside what we have."""

from datetime import timedelta
from enum import StrEnum

from guilder.domain.gateways.model import Outcome, OutcomeKind, ProviderRecord
from guilder.domain.payments.model import Payment, Refund, RefundStatus, Status

# A provider's books run late: what it does not have a day after we booked it is a difference.
LATE_MAX = timedelta(days=1)


class Finding(StrEnum):
    """What an entry of the books is to us."""

    AGREED = "agreed"
    NEWS = "news"  # done there, and not yet known here: the same as a webhook that was lost
    AMOUNT = "amount"  # done on both sides, and not of the same amount
    LOST = "lost"  # bears our mark, and nothing here asked for it: a restore lost it
    FOREIGN = "foreign"  # somebody else's business at the same account, or nothing that moved money


def charge(record: ProviderRecord, payment: Payment | None, *, is_ours: bool) -> Finding:
    """Compare a charge; `is_ours`: its business key begins as this tenant's do."""
    if record.status is not OutcomeKind.SUCCEEDED or not is_ours:
        return Finding.FOREIGN
    if payment is None:
        return Finding.LOST
    if payment.amount != record.amount:
        return Finding.AMOUNT
    # Also what was declined or canceled here: recording decides what late money means.
    return Finding.AGREED if payment.status is Status.SUCCEEDED else Finding.NEWS


def refund(record: ProviderRecord, ours: Refund | None, *, is_ours: bool) -> Finding:
    if record.status is not OutcomeKind.SUCCEEDED or not is_ours:
        return Finding.FOREIGN
    if ours is None:
        return Finding.LOST
    if ours.amount != record.amount:
        return Finding.AMOUNT
    return Finding.NEWS if ours.status is RefundStatus.PENDING else Finding.AGREED


def as_outcome(record: ProviderRecord) -> Outcome:
    """Say an entry as the provider's answer would have said it."""
    return Outcome(
        kind=record.status, provider_ref=record.provider_ref, charge_ref=record.charge_ref, amount=record.amount
    )
