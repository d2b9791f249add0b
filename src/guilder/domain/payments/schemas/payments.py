"""What HTTP says and hears of payments and methods."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from guilder.domain.payments.model import (
    MethodStatus,
    Payment,
    PaymentMethod,
    Status,
    Via,
)
from guilder.platform.http.fields import IdOf, In, Out

PaymentRef = Annotated[UUID, IdOf("pay")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
CustomerRef = Annotated[UUID, IdOf("cus")]
MethodRef = Annotated[UUID, IdOf("pm")]
# A provider's token: never a number that somebody could pay with.
Token = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]{2,254}$")]


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(ord(each) <= 32 for each in value):
        raise PydanticCustomError("bad_url", "should be an http(s) address")
    return value


WebAddress = Annotated[str, Field(strict=True, max_length=2000), AfterValidator(_web_address)]


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
    payment_method_id: MethodRef | None
    brand: str | None
    last4: str | None
    decline_code: str | None
    is_hard_decline: bool
    alert: str | None
    is_overpayment: bool
    requested_at: datetime
    settled_at: datetime | None


class MethodIn(In):
    """A provider's token of a card; or nothing, and the customer types a card on the provider's page."""

    token: Token | None = None
    return_url: WebAddress | None = None


class MethodOut(Out):
    id: MethodRef
    customer_id: CustomerRef
    gateway: str
    status: MethodStatus
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    is_default: bool
    decline_code: str | None
    action_url: str | None
    created_at: datetime


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
        payment_method_id=payment.payment_method_id,
        brand=payment.brand or None,
        last4=payment.last4 or None,
        decline_code=payment.decline_code or None,
        is_hard_decline=payment.is_hard_decline,
        alert=payment.alert or None,
        is_overpayment=payment.is_overpayment,
        requested_at=payment.requested_at,
        settled_at=payment.settled_at,
    )


def method_to_wire(method: PaymentMethod) -> MethodOut:
    return MethodOut(
        id=method.id,
        customer_id=method.customer_id,
        gateway=method.gateway,
        status=method.status,
        brand=method.brand or None,
        last4=method.last4 or None,
        exp_month=method.exp_month or None,
        exp_year=method.exp_year or None,
        is_default=method.is_default,
        decline_code=method.decline_code or None,
        action_url=method.action_url or None,
        created_at=method.created_at,
    )
