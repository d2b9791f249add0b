"""What follows from an entry of a provider's own books, beside what we have."""

from datetime import timedelta
from enum import StrEnum

from guilder.domain.gateways.model import Outcome, OutcomeKind, ProviderRecord, RequestKind
from guilder.domain.payments.model import Payment, Refund, RefundStatus, Status

# A provider's books run late: what it does not have a day after we booked it is a difference.
LATE_MAX = timedelta(days=1)


class Finding(StrEnum):
    """What an entry of the books is to us."""

    AGREED = "agreed"
    NEWS = "news"  # done there, and not yet known here: the same as a webhook that was lost
    AMOUNT = "amount"  # done on both sides, and not of the same amount
    LOST = "lost"  # bears our mark, and nothing here asked for it: a restore lost it
    TWICE = "twice"  # beside the one that paid: the same was taken twice there
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
    if payment.status is not Status.SUCCEEDED:
        return Finding.NEWS
    return Finding.TWICE if _is_another(record, payment) else Finding.AGREED


def refund(record: ProviderRecord, ours: Refund | None, *, is_ours: bool) -> Finding:
    if record.status is not OutcomeKind.SUCCEEDED or not is_ours:
        return Finding.FOREIGN
    if ours is None:
        return Finding.LOST
    if ours.amount != record.amount:
        return Finding.AMOUNT
    if ours.status is RefundStatus.SUCCEEDED:
        return Finding.AGREED
    # What failed here, or was never granted, and went back there all the same.
    return Finding.NEWS if ours.status is RefundStatus.PENDING else Finding.LOST


def is_made_there(record: ProviderRecord) -> bool:
    """Say whether this is a refund that nobody asked for by a key: somebody made it at the provider."""
    is_refund = record.kind is RequestKind.REFUND and record.status is OutcomeKind.SUCCEEDED
    return is_refund and not record.business_key and bool(record.charge_ref)


def as_outcome(record: ProviderRecord, *, known_ref: str = "") -> Outcome:
    """Say an entry as the provider's answer would have said it.

    `known_ref`: the name that we have of its object. It stays where the books name the charge alone.
    """
    is_named = record.kind is not RequestKind.CHARGE or record.provider_ref != record.charge_ref
    return Outcome(
        kind=record.status,
        provider_ref=record.provider_ref if is_named or not known_ref else known_ref,
        charge_ref=record.charge_ref,
        amount=record.amount,
    )


def _is_another(record: ProviderRecord, payment: Payment) -> bool:
    """Say whether an entry is surely not the charge that we know: both its names are others."""
    if not payment.charge_ref or not record.charge_ref or record.charge_ref == payment.charge_ref:
        return False
    return record.provider_ref != payment.provider_ref
