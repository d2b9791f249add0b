"""What HTTP says and hears of payments."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from guilder.domain.payments.model import Payment, PaymentMethod, State, Status, Via
from guilder.domain.payments.rules.brands import card_name
from guilder.platform.http.fields import IdOf, Out

PaymentRef = Annotated[UUID, IdOf("pay")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
CustomerRef = Annotated[UUID, IdOf("cus")]
MethodRef = Annotated[UUID, IdOf("pm")]
AccountRef = Annotated[UUID, IdOf("gwa")]


class PaymentOut(Out):
    id: PaymentRef
    invoice_id: InvoiceRef
    customer_id: CustomerRef
    attempt: int
    amount: int
    currency: str
    amount_refunded: int
    status: Status
    via: Via
    gateway: str | None
    gateway_account_id: AccountRef | None
    route: str | None
    payment_method_id: MethodRef | None
    brand: str | None
    last4: str | None
    method_label: str | None
    decline_code: str | None
    is_hard_decline: bool
    alert: str | None
    is_overpayment: bool
    requested_at: datetime
    settled_at: datetime | None


class StateOut(Out):
    status: Status
    at: datetime


def to_wire(payment: Payment) -> PaymentOut:
    return PaymentOut(
        id=payment.id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        attempt=payment.attempt,
        amount=payment.amount.minor,
        currency=payment.amount.currency,
        amount_refunded=payment.refunded_minor,
        status=payment.status,
        via=payment.via,
        gateway=payment.gateway or None,
        gateway_account_id=payment.account_id,
        route=payment.route or None,
        payment_method_id=payment.payment_method_id,
        brand=payment.brand or None,
        last4=payment.last4 or None,
        method_label=label_of(payment),
        decline_code=payment.decline_code or None,
        is_hard_decline=payment.is_hard_decline,
        alert=payment.alert or None,
        is_overpayment=payment.is_overpayment,
        requested_at=payment.requested_at,
        settled_at=payment.settled_at,
    )


def state_to_wire(state: State) -> StateOut:
    return StateOut(status=state.status, at=state.at)


def label_of(what: Payment | PaymentMethod) -> str | None:
    """Return what a person would call it: `Visa •••• 4242`, or the name of a wallet's account."""
    return what.label or card_name(what.brand, what.last4) or None
