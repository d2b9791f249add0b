"""Money given back or fought over, and the methods that it comes by, as customers and the tenant's staff hear of it."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways.model import OutcomeKind
from guilder.domain.notifications import service
from guilder.domain.notifications.model import About, Kind, NewNotification
from guilder.domain.notifications.rules import causes
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import (
    DisputeOpened,
    PaymentMethodAdded,
    PaymentMethodExpiring,
    PaymentMethodRefused,
    RefundAsked,
    RefundEvent,
    RefundRefused,
    RefundSucceeded,
)
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_refund_asked(tx: Tx, messages: Sequence[Message[RefundAsked]], *, now: datetime) -> None:
    await _tell_of_refunds(tx, events_of(messages), Kind.REFUND_ASKED, now=now)


async def on_refund_refused(tx: Tx, messages: Sequence[Message[RefundRefused]], *, now: datetime) -> None:
    await _tell_of_refunds(tx, events_of(messages), Kind.REFUND_REFUSED, now=now)


async def on_refund_succeeded(tx: Tx, messages: Sequence[Message[RefundSucceeded]], *, now: datetime) -> None:
    await _tell_of_refunds(tx, events_of(messages), Kind.REFUND_SUCCEEDED, now=now)


async def on_dispute_opened(tx: Tx, messages: Sequence[Message[DisputeOpened]], *, now: datetime) -> None:
    """Tell the tenant's staff, at the issuer's address: the customer knows."""
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.DISPUTE_OPENED,
            cause_id=event.dispute_id,
            about=About(
                invoice_id=event.invoice_id,
                amount=event.amount,
                reason=event.reason.replace("_", " "),
                at=event.respond_by,
            ),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_payment_method_added(tx: Tx, messages: Sequence[Message[PaymentMethodAdded]], *, now: datetime) -> None:
    """Say it to whoever pays: it may be somebody else's doing. What a wallet is called is read when it is said."""
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_METHOD_ADDED,
            cause_id=event.payment_method_id,
            about=About(brand=event.brand, last4=event.last4, payment_method_id=event.payment_method_id),
        )
        for event in events_of(messages)
    ]
    await service.tell(tx, messages=said, now=now)


async def on_payment_method_refused(
    tx: Tx, messages: Sequence[Message[PaymentMethodRefused]], *, now: datetime
) -> None:
    """Say that it could not be added to whoever wanted that: not to who left its page and went away, nor of what was added
    long ago and is gone at its provider. What that one was to pay is told of when it cannot be paid."""
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.PAYMENT_METHOD_REFUSED,
            cause_id=event.payment_method_id,
        )
        for event in events_of(messages)
        if event.decline_code != OutcomeKind.CANCELED.value and not event.was_valid
    ]
    await service.tell(tx, messages=said, now=now)


async def on_payment_method_expiring(
    tx: Tx, messages: Sequence[Message[PaymentMethodExpiring]], *, now: datetime
) -> None:
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=Kind.CARD_EXPIRING,
            cause_id=causes.card_expiring(event.payment_method_id, event.days_left, expires),
            about=About(
                brand=event.brand, last4=event.last4, expires=expires, payment_method_id=event.payment_method_id
            ),
        )
        for event in events_of(messages)
        if event.brand and event.last4
        for expires in [f"{event.exp_year:04}-{event.exp_month:02}"]
    ]
    await service.tell(tx, messages=said, now=now)


async def _tell_of_refunds(tx: Tx, events: Sequence[RefundEvent], kind: Kind, *, now: datetime) -> None:
    """Tell of refunds by what was paid with: money goes back where it came from, and an invoice may have been paid twice."""
    paid = await payments.get(tx, refs=sorted({Ref(event.tenant_id, event.payment_id) for event in events}))
    said = [
        NewNotification(
            tenant_id=event.tenant_id,
            customer_id=event.customer_id,
            kind=kind,
            cause_id=event.refund_id,
            about=About(
                invoice_id=event.invoice_id,
                amount=event.amount,
                at=event.settled_at if isinstance(event, RefundSucceeded) else None,
                reason=event.reason if isinstance(event, RefundRefused) else "",
                brand=payment.brand if payment else "",
                last4=payment.last4 if payment else "",
            ),
        )
        for event in events
        for payment in (paid.get(Ref(event.tenant_id, event.payment_id)),)
    ]
    await service.tell(tx, messages=said, now=now)
