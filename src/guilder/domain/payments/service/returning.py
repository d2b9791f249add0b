"""Returning: what came in too much or too late goes back by itself; and what of an invoice went back at all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayRequest, RequestKind
from guilder.domain.payments.events import PaymentOverpaid, PaymentParked
from guilder.domain.payments.model import (
    GivenBack,
    GrantedBy,
    Payment,
    Refund,
    RefundReason,
    RefundStatus,
    Status,
)
from guilder.domain.payments.rules import returning as rules
from guilder.domain.payments.service import telling
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import refunds as refund_rows
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform import metrics
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def withhold(tx: Tx, *, amounts: Mapping[Ref, int]) -> None:
    """Know what of these invoices' money was given back as credit, in minor units: that much is refunded no more.

    Whoever gives credit says so, before it does: the payments of each invoice are locked from here on.
    """
    if amounts:
        await refund_rows.lock_invoices(tx, sorted(amounts))
        await refund_rows.save_withheld(tx, amounts)


async def given_back(tx: Tx, *, invoices: Sequence[Ref], with_pending: bool = False) -> dict[Ref, GivenBack]:
    """Return what came in for each invoice that something came in for, and what of it went back.

    `with_pending` counts what is on its way back, too, and keeps others from giving back what is asked about.
    """
    if with_pending:
        await refund_rows.lock_invoices(tx, sorted(set(invoices)))
    return await refund_rows.given_back(tx, invoices, with_pending=with_pending)


async def return_overpayments(tx: Tx, *, payments: Sequence[Payment], now: datetime) -> None:
    """Give back, at once and all that is left, what was captured beside the payment that paid its invoice, or too late for it."""
    if not payments:
        return
    paid = await attempts.succeeded_totals(tx, [payment.invoice_ref for payment in payments])
    twice = {ref for ref, _ in paid}
    made = [_returned(payment, is_twice=payment.invoice_ref in twice, now=now) for payment in payments]
    await refund_rows.insert(tx, made)
    asked = [request_of(each, payment, now=now) for each, payment in zip(made, payments, strict=True)]
    await gateways.request(tx, requests=asked, now=now)


async def plan_again(tx: Tx, *, payments: Sequence[Payment], now: datetime) -> None:
    """Have what of these locked payments was not taken back given back later; after some days it is left to a person."""
    if not payments:
        return
    failed = await refund_rows.failed_returns(tx, [each.ref for each in payments])
    planned = {each.ref: rules.next_return(failed[each.ref], now=now) for each in payments}
    left = [each for each in payments if planned[each.ref] is None]
    # That of what was canceled says what it is already, and stays.
    alerts = {each.ref: each.alert or rules.RETURN_FAILED for each in left}
    after = [replace(each, check_due_at=planned[each.ref], alert=alerts.get(each.ref, each.alert)) for each in payments]
    await attempts.save(tx, after, now=now)
    told = [telling.of_payment(PaymentParked, each, alert=rules.RETURN_FAILED) for each in left]
    outbox.announce(tx, told, now=now)
    for each in left:
        tx.once_committed(partial(metrics.payment_ended, gateway=each.gateway, outcome="parked"))


async def return_again(tx: Tx, *, payments: Sequence[Payment], now: datetime) -> None:
    """Give back what is left of those of these locked payments that pay nothing: not what went back meanwhile, or is
    with a bank."""
    strays = [each.ref for each in payments if rules.is_stray(each)]
    # Counted by a statement that begins when the locks are ours.
    counted = await attempts.get(tx, strays) if strays else []
    await return_overpayments(tx, payments=[each for each in counted if each.refundable.minor > 0], now=now)


async def return_payments(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Give back what came in for an invoice that could not take it any more: it was void, or paid otherwise.

    They pay nothing from here on. Asking twice changes nothing. What a bank holds goes back when its dispute is won.
    """
    locked = [each for each in await attempts.lock(tx, refs) if each.status is Status.SUCCEEDED] if refs else []
    if not locked:
        return
    counted = {each.ref: each for each in await attempts.get(tx, [each.ref for each in locked])}
    back = await refund_rows.given_back(tx, [each.invoice_ref for each in locked], with_pending=True)
    strays = [
        replace(each, is_overpayment=True, holds_invoice=False)
        for each in counted.values()
        # What went back of it as money that had paid is booked so, and stays so.
        if not each.is_overpayment and not each.refunded_minor and not back[each.invoice_ref].lost.minor
    ]
    await attempts.save(tx, strays, now=now)
    outbox.announce(tx, [telling.of_payment(PaymentOverpaid, each) for each in strays], now=now)
    await return_overpayments(tx, payments=[each for each in strays if each.refundable.minor > 0], now=now)


def _returned(payment: Payment, *, is_twice: bool, now: datetime) -> Refund:
    code = RefundReason.CAPTURED_TWICE if is_twice else RefundReason.PAID_AFTER_CANCEL
    return Refund(
        tenant_id=payment.tenant_id,
        id=ids.new(now),
        payment_id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        amount=payment.refundable,
        status=RefundStatus.PENDING,
        reason=code.value.replace("_", " "),
        asked_at=now,
        is_overpayment=True,
        reason_code=code,
        granted_by=GrantedBy.SYSTEM,
    )


def request_of(refund: Refund, payment: Payment, *, now: datetime) -> GatewayRequest:
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
        # A transfer's is what somebody wrote, and in no books.
        charge_ref="" if payment.is_by_hand else payment.charge_ref,
    )
