"""How a payment, a refund or a method is told of in an event."""

from collections.abc import Callable
from typing import Any, TypeVar

from guilder.domain.payments.events import (
    DisputeEvent,
    PaymentEvent,
    PaymentFailed,
    PaymentMethodAdded,
    PaymentMethodDefaultChanged,
    PaymentMethodPaidWith,
    PaymentMethodRemoved,
    PaymentMethodUpdated,
    PaymentSucceeded,
    RefundEvent,
    RefundSucceeded,
)
from guilder.domain.payments.model import Dispute, Payment, PaymentMethod, Refund

P = TypeVar("P", bound=PaymentEvent)
R = TypeVar("R", bound=RefundEvent)
D = TypeVar("D", bound=DisputeEvent)


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


def added(method: PaymentMethod) -> PaymentMethodAdded:
    return PaymentMethodAdded(
        tenant_id=method.tenant_id,
        payment_method_id=method.id,
        customer_id=method.customer_id,
        brand=method.brand,
        last4=method.last4,
    )


def updated(method: PaymentMethod) -> PaymentMethodUpdated:
    return PaymentMethodUpdated(
        tenant_id=method.tenant_id,
        payment_method_id=method.id,
        customer_id=method.customer_id,
        brand=method.brand,
        last4=method.last4,
        exp_month=method.exp_month,
        exp_year=method.exp_year,
    )


def paid_with(method: PaymentMethod) -> PaymentMethodPaidWith:
    return PaymentMethodPaidWith(
        tenant_id=method.tenant_id, payment_method_id=method.id, customer_id=method.customer_id
    )


def removed(method: PaymentMethod) -> PaymentMethodRemoved:
    return PaymentMethodRemoved(tenant_id=method.tenant_id, payment_method_id=method.id, customer_id=method.customer_id)


def default_changed(method: PaymentMethod) -> PaymentMethodDefaultChanged:
    return PaymentMethodDefaultChanged(
        tenant_id=method.tenant_id, payment_method_id=method.id, customer_id=method.customer_id
    )


def refunded(refund: Refund) -> RefundSucceeded:
    assert refund.settled_at is not None, refund
    return of_refund(
        RefundSucceeded,
        refund,
        ends_access=refund.ends_access,
        settled_at=refund.settled_at,
        credit_note=refund.credit_note.value,
        reason=refund.reason,
        reason_code=refund.reason_code.value,
    )


def of_dispute(kind: Callable[..., D], dispute: Dispute, **more: Any) -> D:
    return kind(
        tenant_id=dispute.tenant_id,
        dispute_id=dispute.id,
        payment_id=dispute.payment_id,
        invoice_id=dispute.invoice_id,
        customer_id=dispute.customer_id,
        amount=dispute.amount,
        reason=dispute.reason,
        **more,
    )
