"""What news of a dispute makes of it. News comes in any order, any number of times; what is decided stays so."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from guilder.domain.gateways.model import DisputeStatus
from guilder.domain.payments.model import Dispute, DisputeTold, Payment
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.rules.recording import PAID_AFTER_CANCEL
from guilder.kernel import lifecycle
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

AMOUNT_MISMATCH = "amount_mismatch"
LOOK_WITHIN = timedelta(minutes=1)
LOOK_WITHIN_MAX = timedelta(hours=6)
LOOKED_FOR = timedelta(days=7)


class DisputeStep(StrEnum):
    OPEN = "open"  # the money is taken until it is decided
    WIN = "win"
    LOSE = "lose"


DISPUTE_MOVES: dict[DisputeStatus, dict[DisputeStep, DisputeStatus]] = {
    DisputeStatus.INQUIRY: {
        DisputeStep.OPEN: DisputeStatus.OPEN,
        DisputeStep.WIN: DisputeStatus.WON,
        DisputeStep.LOSE: DisputeStatus.LOST,
    },
    DisputeStatus.OPEN: {DisputeStep.WIN: DisputeStatus.WON, DisputeStep.LOSE: DisputeStatus.LOST},
    DisputeStatus.WON: {},
    DisputeStatus.LOST: {},
}
assert set(DISPUTE_MOVES) == set(DisputeStatus)

_STEPS = {
    DisputeStatus.OPEN: DisputeStep.OPEN,
    DisputeStatus.WON: DisputeStep.WIN,
    DisputeStatus.LOST: DisputeStep.LOSE,
}
DECIDED = lifecycle.final(DISPUTE_MOVES)
_TAKES = frozenset({DisputeStatus.OPEN, DisputeStatus.LOST})


def can_be_disputed(payment: Payment) -> bool:
    """Say whether its money has come in, as far as we know; what is not known yet will be."""
    return payment.status is PaymentStatus.SUCCEEDED or payment.alert == PAID_AFTER_CANCEL


def begun(told: DisputeTold, payment: Payment, *, dispute_id: UUID, kept: Money) -> Dispute:
    """Return the dispute as its first news has it: an inquiry, which the news then moves on.

    `kept` is what of the payment is neither back nor taken by another dispute: no bank can take more.
    """
    amount, alert = _bounded(told.news.amount, kept)
    return Dispute(
        tenant_id=payment.tenant_id,
        id=dispute_id,
        payment_id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        account_id=told.account_id,
        gateway=told.gateway,
        dispute_ref=told.news.dispute_ref,
        amount=amount,
        status=DisputeStatus.INQUIRY,
        noticed_at=told.at,
        reason=told.news.reason,
        alert=alert,
    )


def told(dispute: Dispute, news: DisputeTold, *, kept: Money) -> Dispute:
    """Return the dispute as it is after this news: the same where nothing follows from it."""
    known = replace(
        dispute,
        fee=dispute.fee or (news.news.fee if news.news.fee and news.news.fee.minor > 0 else None),
        reason=dispute.reason or news.news.reason,
        respond_by=news.news.respond_by or dispute.respond_by,
    )
    step = _STEPS.get(news.news.status)
    if dispute.status in DECIDED:
        # A fee that is told of late is still paid.
        return replace(dispute, fee=known.fee)
    if dispute.status is DisputeStatus.INQUIRY:
        amount, alert = _bounded(news.news.amount, kept)
        known = replace(known, amount=amount, alert=alert)
    if step is None or step not in DISPUTE_MOVES[dispute.status]:
        return known
    status = lifecycle.take(DISPUTE_MOVES, dispute.status, step)
    if status is DisputeStatus.LOST and dispute.status is DisputeStatus.OPEN and news.news.amount.minor > 0:
        # A bank may take a part of what it held for good: the rest is back.
        amount, alert = _bounded(news.news.amount, dispute.amount)
        known = replace(known, amount=amount, alert=dispute.alert or alert)
    return replace(
        known,
        status=status,
        opened_at=known.opened_at or (news.at if status in _TAKES else None),
        decided_at=news.at if status in DECIDED else None,
    )


def held(dispute: Dispute) -> Money:
    """Return what a bank holds or took by it."""
    return dispute.amount if dispute.status in _TAKES else replace(dispute.amount, minor=0)


def next_look(noticed_at: datetime, *, now: datetime) -> datetime | None:
    """Say when news of an unknown payment is looked at again: less often as it grows old, and not for ever."""
    age = now - noticed_at
    if age >= LOOKED_FOR:
        return None
    return now + min(max(age / 2, LOOK_WITHIN), LOOK_WITHIN_MAX)


def _bounded(amount: Money, kept: Money) -> tuple[Money, str]:
    """Return what a bank can take, and what a person should look at where it says otherwise."""
    if amount.currency != kept.currency:
        # Told in another currency (a bank settles in its own): all of it, until somebody has looked.
        return kept, AMOUNT_MISMATCH
    return (amount, "") if amount.minor <= kept.minor else (kept, AMOUNT_MISMATCH)
