"""Refunds that somebody made at the provider, and not here: a person takes them into our books."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayRequest, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import (
    Answer,
    Difference,
    GrantedBy,
    NewRefund,
    NoteWish,
    Refund,
    RefundReason,
    RefundStatus,
)
from guilder.domain.payments.service import refunding, returning
from guilder.domain.payments.service.reconciling import AlreadyResolved, refunds_of
from guilder.domain.payments.store import reconciling as rows
from guilder.domain.payments.store import refunds as refund_rows
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx

REFUND_ONLY_THERE = "refund_only_there"
BEING_TAKEN = "it is being taken for another refund"


class NoRefundThere(Conflict):
    """This difference is not about a refund, made at the provider, of a payment that is ours."""

    code = "no_refund_there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Why it was made, as a person says it who takes it over, and what is to follow from it here."""

    reason: str
    reason_code: RefundReason = RefundReason.OTHER
    ends_access: bool = False
    credit_note: NoteWish = NoteWish.NONE


async def take_refund(tx: Tx, *, difference_id: UUID, taking: Taking, now: datetime) -> Refund:
    """Take a refund that was made at the provider for one of ours. Its money has gone: no provider is asked for anything.

    It has succeeded when it happened there, and what follows from any refund follows: books, a credit note, access,
    mail. The difference is resolved. Two persons are not asked for, since nothing is given any more.

    :raises NotFound: no such difference
    :raises AlreadyResolved: as it says
    :raises NoRefundThere: it is about something else, or about a payment that nobody here knows
    :raises AlreadyAsked: it is one that is asked for here and not decided: a restore lost only that it was granted
    :raises NothingToRefund, RefundTooLarge: less than that is left of the payment, or of its invoice
    """
    ref = Ref(tx.tenant_id, difference_id)
    payment_id, amount = _refunded(await _found(tx, ref))
    payment = await refunding.lock_payment(tx, payment_id)
    # Anew: whoever came first has resolved it, and let go of the payment.
    difference = await _found(tx, ref)
    if difference.resolved_at is not None:
        raise AlreadyResolved
    if amount.currency != payment.amount.currency:
        raise NoRefundThere
    key = await _check_free(tx, difference)
    wanted = NewRefund(
        payment_id=payment.id,
        reason=taking.reason,
        amount_minor=amount.minor,
        ends_access=taking.ends_access,
        reason_code=taking.reason_code,
        credit_note=taking.credit_note,
    )
    left = await refunding.left_of(tx, payment)
    new = refunding.new_refund(payment, wanted, left=left, status=RefundStatus.PENDING, now=now)
    made = replace(
        new,
        asked_at=difference.happened_at,
        granted_by=GrantedBy.STAFF,
        asked_by=tx.actor,
        decided_by=tx.actor,
        decided_at=now,
    )
    await refund_rows.insert(tx, [made])
    await _take(tx, made, difference, was=key)
    await _settle(tx, made, difference, returning.request_of(made, payment, now=now), now=now)
    return await refunding.refund(tx, refund_id=made.id)


async def _found(tx: Tx, ref: Ref) -> Difference:
    found = await rows.difference(tx, ref)
    if found is None:
        raise NotFound("there is no such difference")
    return found


def _account(there: Difference) -> Ref:
    return Ref(there.tenant_id, there.account_id)


def _refunded(difference: Difference) -> tuple[UUID, Money]:
    """Return which payment went back, and how much of it."""
    if difference.what != REFUND_ONLY_THERE or difference.payment_id is None or difference.theirs_minor is None:
        raise NoRefundThere
    return difference.payment_id, Money(difference.theirs_minor, difference.currency)


async def _check_free(tx: Tx, there: Difference) -> str:
    """Return the mark of what was made there, where it is nobody's any more: lost, or taken for failed here."""
    key = await gateways.refund_key(tx, account=_account(there), provider_ref=there.provider_ref)
    match (await refunds_of(tx, [(there.tenant_id, key)])).get(key):
        case Refund(status=RefundStatus.ASKED):
            raise refunding.AlreadyAsked("this is a refund that is asked for here: grant it, and no money moves")
        case Refund(status=RefundStatus.PENDING):
            raise NoRefundThere(BEING_TAKEN)
    return key


async def _take(tx: Tx, made: Refund, there: Difference, *, was: str) -> None:
    """Have the entry of the books be this refund's."""
    if not await gateways.name_refund(
        tx, account=_account(there), provider_ref=there.provider_ref, was=was, business_key=made.business_key
    ):
        raise NoRefundThere(BEING_TAKEN)


async def _settle(tx: Tx, made: Refund, there: Difference, request: GatewayRequest, *, now: datetime) -> None:
    """Have it be done already: its request is answered, and its money is gone."""
    await gateways.request(tx, requests=[request], now=now)
    await gateways.settle(tx, kind=RequestKind.REFUND, keys=[(made.tenant_id, made.business_key)])
    answer = Answer(
        tenant_id=made.tenant_id,
        business_key=made.business_key,
        kind=RequestKind.REFUND,
        outcome=Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=there.provider_ref, amount=made.amount),
        at=there.happened_at,
    )
    await refunding.record_refunds(tx, answers=[answer], now=now)
