"""How a payment, a refund or a method is told of in an event."""

from collections.abc import Callable
from typing import Any, TypeVar

from guilder.domain.payments.events import PaymentEvent, PaymentFailed, PaymentSucceeded, RefundEvent
from guilder.domain.payments.model import Payment, Refund

P = TypeVar("P", bound=PaymentEvent)
R = TypeVar("R", bound=RefundEvent)


def of_payment(kind: Callable[..., P], payment: Payment, **more: Any) -> P:
    return kind(
        tenant_id=payment.tenant_id,
        payment_id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        attempt=payment.attempt,
        amount=payment.amount,
        **more,
    )


def succeeded(payment: Payment) -> PaymentSucceeded:
    assert payment.settled_at is not None, payment
    return of_payment(
        PaymentSucceeded,
        payment,
        gateway=payment.gateway,
        brand=payment.brand,
        last4=payment.last4,
        settled_at=payment.settled_at,
    )


def failed(payment: Payment) -> PaymentFailed:
    assert payment.settled_at is not None, payment
    return of_payment(
        PaymentFailed,
        payment,
        gateway=payment.gateway,
        decline_code=payment.decline_code,
        is_hard=payment.is_hard_decline,
        failed_at=payment.settled_at,
    )


def of_refund(kind: Callable[..., R], refund: Refund, **more: Any) -> R:
    return kind(
        tenant_id=refund.tenant_id,
        refund_id=refund.id,
        payment_id=refund.payment_id,
        invoice_id=refund.invoice_id,
        customer_id=refund.customer_id,
        amount=refund.amount,
        **more,
    )
