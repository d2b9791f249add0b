"""What HTTP says and hears of refunds."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.payments.model import NewRefund, Refund, RefundStatus
from guilder.domain.payments.schemas.payments import CustomerRef, InvoiceRef, PaymentRef
from guilder.platform.http.fields import IdOf, In, Out, PositiveAmount, Text

RefundRef = Annotated[UUID, IdOf("ref")]
Reason = Annotated[str, Text(500)]


class RefundAskIn(In):
    """Without an amount, all that is left of the payment."""

    amount: PositiveAmount | None = None
    reason: Reason


class RefundIn(RefundAskIn):
    payment_id: PaymentRef
    ends_access: bool = False

    def to_model(self) -> NewRefund:
        return NewRefund(
            payment_id=self.payment_id, reason=self.reason, amount_minor=self.amount, ends_access=self.ends_access
        )


class GrantIn(In):
    ends_access: bool | None = None


class RefuseIn(In):
    reason: Reason


class RefundPolicyIn(In):
    """Within how many days of a payment its refund is granted by itself; 0 is never."""

    auto_grant_days: Annotated[int, Field(ge=0, le=3650)]


class RefundPolicyOut(Out):
    auto_grant_days: int


class RefundOut(Out):
    id: RefundRef
    payment_id: PaymentRef
    invoice_id: InvoiceRef
    customer_id: CustomerRef
    amount: int
    currency: str
    status: RefundStatus
    reason: str
    ends_access: bool
    is_overpayment: bool
    decline_code: str | None
    asked_at: datetime
    settled_at: datetime | None


def refund_to_wire(refund: Refund) -> RefundOut:
    return RefundOut(
        id=refund.id,
        payment_id=refund.payment_id,
        invoice_id=refund.invoice_id,
        customer_id=refund.customer_id,
        amount=refund.amount.minor,
        currency=refund.amount.currency,
        status=refund.status,
        reason=refund.reason,
        ends_access=refund.ends_access,
        is_overpayment=refund.is_overpayment,
        decline_code=refund.decline_code or None,
        asked_at=refund.asked_at,
        settled_at=refund.settled_at,
    )
