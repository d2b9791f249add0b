"""Refunds: asked for by customers, granted by staff or by the tenant's policy, carried out by the provider."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import journal
from guilder.domain.payments.events import RefundAsked, RefundFailed, RefundRefused, RefundSucceeded
from guilder.domain.payments.model import Answer, NewRefund, Payment, Refund, RefundStatus, Status
from guilder.domain.payments.rules.lifecycle import REFUND_MOVES, RefundStep
from guilder.domain.payments.service import telling
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import refunds as refund_rows
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

OVERPAID = "captured twice"


class NothingToRefund(Conflict):
    """Only a payment that succeeded, and is not given back yet, can be refunded."""

    code = "nothing_to_refund"


class RefundTooLarge(Conflict):
    """This is more than is left of what was captured."""

    code = "refund_exceeds_captured"


class AlreadyAsked(Conflict):
    """A refund of this payment was asked for already, and is not decided yet."""

    code = "refund_already_asked"


async def ask_refund(tx: Tx, *, refund: NewRefund, customer_id: CustomerId | None = None, now: datetime) -> Refund:
    """Ask for money back, as a customer does. It is granted at once where the tenant's policy says so.

    `customer_id` is the only customer that whoever asks may see.

    :raises NotFound: no such payment
    :raises NothingToRefund, RefundTooLarge, AlreadyAsked: as they say
    """
    payment = await _lock_payment(tx, refund.payment_id, customer_id=customer_id)
    asked = _made(payment, refund, status=RefundStatus.ASKED, now=now)
    open_ones = await refund_rows.listing(
        tx, PageQuery(limit=1), customer_id=None, payment_id=payment.id, status=RefundStatus.ASKED.value
    )
    if open_ones:
        raise AlreadyAsked
    await refund_rows.insert(tx, [asked])
    outbox.announce(tx, [telling.of_refund(RefundAsked, asked, reason=asked.reason)], now=now)
    days = await refund_rows.auto_grant_days(tx, tx.tenant_id)
    if days and payment.settled_at is not None and now - payment.settled_at <= timedelta(days=days):
        # Nobody looks: whoever could keep the thing and have its price back, or all but a cent of it, would.
        return await grant_refund(tx, refund_id=asked.id, ends_access=True, now=now)
    return asked


async def make_refund(tx: Tx, *, refund: NewRefund, now: datetime) -> Refund:
    """Give money back, as the tenant's staff does: all that is left, or a part.

    :raises NotFound: no such payment
    :raises NothingToRefund, RefundTooLarge: as they say
    """
    payment = await _lock_payment(tx, refund.payment_id)
    made = _made(payment, refund, status=RefundStatus.PENDING, now=now)
    await refund_rows.insert(tx, [made])
    await gateways.request(tx, requests=[_request(made, payment, now=now)], now=now)
    return made


async def grant_refund(tx: Tx, *, refund_id: UUID, ends_access: bool | None = None, now: datetime) -> Refund:
    """Grant what a customer asked for.

    :raises NotFound: no such refund
    :raises IllegalStep: it is decided already
    :raises RefundTooLarge: meanwhile less is left of the payment
    """
    seen = await refund(tx, refund_id=refund_id)
    payment = await _lock_payment(tx, seen.payment_id)
    asked = await _lock_refund(tx, refund_id)
    status = lifecycle.take(REFUND_MOVES, asked.status, RefundStep.GRANT)
    if asked.amount.minor > payment.refundable.minor:
        raise RefundTooLarge
    ends = asked.ends_access if ends_access is None else ends_access
    granted = replace(asked, status=status, ends_access=ends)
    await refund_rows.save(tx, [granted])
    await gateways.request(tx, requests=[_request(granted, payment, now=now)], now=now)
    return granted


async def refuse_refund(tx: Tx, *, refund_id: UUID, reason: str, now: datetime) -> Refund:
    """Say no to what a customer asked for.

    :raises NotFound: no such refund
    :raises IllegalStep: it is decided already
    """
    asked = await _lock_refund(tx, refund_id)
    status = lifecycle.take(REFUND_MOVES, asked.status, RefundStep.REFUSE)
    refused = replace(asked, status=status, settled_at=now)
    await refund_rows.save(tx, [refused])
    outbox.announce(tx, [telling.of_refund(RefundRefused, refused, reason=reason)], now=now)
    return refused


async def refund(tx: Tx, *, refund_id: UUID, customer_id: CustomerId | None = None) -> Refund:
    """Return a refund.

    :raises NotFound: no such refund
    """
    found = await refund_rows.get(tx, [Ref(tx.tenant_id, refund_id)])
    if not found or customer_id not in (None, found[0].customer_id):
        raise NotFound("there is no such refund")
    return found[0]


async def refunds(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    payment_id: UUID | None = None,
    status: RefundStatus | None = None,
) -> Page[Refund]:
    rows = await refund_rows.listing(tx, query, customer_id=customer_id, payment_id=payment_id, status=status)
    return page_of(rows, query, lambda each: each.id)


async def refund_policy(tx: Tx) -> int:
    """Return within how many days of a payment its refund is granted by itself: 0 is never."""
    return await refund_rows.auto_grant_days(tx, tx.tenant_id)


async def set_refund_policy(tx: Tx, *, auto_grant_days: int, now: datetime) -> int:
    await refund_rows.save_auto_grant_days(tx, tx.tenant_id, days=auto_grant_days, now=now)
    return auto_grant_days


async def return_overpayments(tx: Tx, *, payments: Sequence[Payment], now: datetime) -> None:
    """Give back, at once and whole, what was captured beside the payment that paid its invoice."""
    if not payments:
        return
    made = [
        _made(payment, NewRefund(payment_id=payment.id, reason=OVERPAID), status=RefundStatus.PENDING, now=now)
        for payment in payments
    ]
    await refund_rows.insert(tx, made)
    asked = [_request(each, payment, now=now) for each, payment in zip(made, payments, strict=True)]
    await gateways.request(tx, requests=asked, now=now)


async def record_refunds(tx: Tx, *, answers: Sequence[Answer], now: datetime) -> None:
    """Record what providers said of refunds, however often and in whatever order."""
    refs = [Ref(each.tenant_id, UUID(each.business_key.rpartition(":")[2])) for each in answers]
    known = await refund_rows.get(tx, refs)
    # The payment first, as everywhere: refunds of one payment wait for each other there.
    payments = {p.ref: p for p in await attempts.lock(tx, [Ref(r.tenant_id, r.payment_id) for r in known])}
    locked = {each.ref: each for each in await refund_rows.lock(tx, refs)}
    changed: dict[Ref, Refund] = {}
    for ref, answer in zip(refs, answers, strict=True):
        found = changed.get(ref) or locked.get(ref)
        if found is not None and found.status is RefundStatus.PENDING:
            after = _told(found, answer)
            if after != found:
                changed[ref] = after
    await refund_rows.save(tx, list(changed.values()))
    done = [each for each in changed.values() if each.status is RefundStatus.SUCCEEDED]
    await ledger.post(tx, entries=[_booking(each, payments[Ref(each.tenant_id, each.payment_id)]) for each in done])
    for each in changed.values():
        if each.status is RefundStatus.SUCCEEDED:
            event = telling.of_refund(RefundSucceeded, each, ends_access=each.ends_access, settled_at=each.settled_at)
            outbox.announce(tx, [event], now=now)
        else:
            outbox.announce(tx, [telling.of_refund(RefundFailed, each, decline_code=each.decline_code)], now=now)


def _told(refund: Refund, answer: Answer) -> Refund:
    outcome = answer.outcome
    if outcome.kind is OutcomeKind.SUCCEEDED and outcome.amount == refund.amount:
        status = lifecycle.take(REFUND_MOVES, refund.status, RefundStep.SUCCEED)
        return replace(refund, status=status, settled_at=answer.at, provider_ref=outcome.provider_ref)
    if outcome.kind in {OutcomeKind.DECLINED, OutcomeKind.CANCELED}:
        status = lifecycle.take(REFUND_MOVES, refund.status, RefundStep.FAIL)
        return replace(refund, status=status, settled_at=answer.at, decline_code=outcome.decline_code)
    return refund


def _booking(refund: Refund, payment: Payment) -> JournalEntry:
    assert refund.settled_at is not None, refund
    if refund.is_overpayment:
        return journal.overpayment_returned(
            tenant_id=refund.tenant_id,
            refund_id=refund.id,
            invoice_id=refund.invoice_id,
            customer_id=refund.customer_id,
            account_id=payment.account_id,
            amount=refund.amount,
            at=refund.settled_at,
        )
    return journal.refund_succeeded(
        tenant_id=refund.tenant_id,
        refund_id=refund.id,
        customer_id=refund.customer_id,
        account_id=payment.account_id,
        amount=refund.amount,
        at=refund.settled_at,
    )


async def _lock_payment(tx: Tx, payment_id: UUID, *, customer_id: CustomerId | None = None) -> Payment:
    # Twice: what was given back is counted by a statement that begins when the lock is ours.
    await attempts.lock(tx, [Ref(tx.tenant_id, payment_id)])
    found = await attempts.get(tx, [Ref(tx.tenant_id, payment_id)])
    if not found or customer_id not in (None, found[0].customer_id):
        raise NotFound("there is no such payment")
    return found[0]


async def _lock_refund(tx: Tx, refund_id: UUID) -> Refund:
    found = await refund_rows.lock(tx, [Ref(tx.tenant_id, refund_id)])
    if not found:
        raise NotFound("there is no such refund")
    return found[0]


def _made(payment: Payment, new: NewRefund, *, status: RefundStatus, now: datetime) -> Refund:
    left = payment.refundable
    if payment.status is not Status.SUCCEEDED or left.minor <= 0:
        raise NothingToRefund
    amount = left if new.amount_minor is None else Money(new.amount_minor, left.currency)
    if amount.minor > left.minor:
        raise RefundTooLarge(f"only {left} can still be given back", field="amount")
    return Refund(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        payment_id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        amount=amount,
        status=status,
        reason=new.reason,
        asked_at=now,
        ends_access=new.ends_access,
        is_overpayment=payment.is_overpayment,
    )


def _request(refund: Refund, payment: Payment, *, now: datetime) -> GatewayRequest:
    assert payment.account_id is not None, payment
    return GatewayRequest(
        tenant_id=refund.tenant_id,
        id=ids.new(now),
        account_id=payment.account_id,
        gateway=payment.gateway,
        kind=RequestKind.REFUND,
        business_key=refund.business_key,
        subject_id=refund.id,
        customer_id=refund.customer_id,
        amount=refund.amount,
        provider_ref=payment.provider_ref,
    )
