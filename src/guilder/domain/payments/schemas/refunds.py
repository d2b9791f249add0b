"""What HTTP says and hears of refunds."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from guilder.domain.payments.model import (
    GrantedBy,
    NewRefund,
    NoteWish,
    Refund,
    RefundPolicy,
    RefundReason,
    RefundStatus,
)
from guilder.domain.payments.rules.two_persons import LASTS
from guilder.domain.payments.schemas.payments import CustomerRef, InvoiceRef, PaymentRef
from guilder.platform.http.fields import CurrencyCode, IdOf, In, Out, PositiveAmount, Text

RefundRef = Annotated[UUID, IdOf("ref")]
Reason = Annotated[str, Text(500)]


# Nobody can ask for what the machine alone says of its own returns.
_SAID = frozenset(RefundReason) - {
    RefundReason.CAPTURED_TWICE,
    RefundReason.PAID_AFTER_CANCEL,
    RefundReason.CREDIT_PAID_OUT,
}


def _is_said(code: RefundReason) -> RefundReason:
    if code not in _SAID:
        raise PydanticCustomError("bad_reason_code", "should be one that people give")
    return code


ReasonCode = Annotated[RefundReason, AfterValidator(_is_said)]
NoteChoice = Annotated[
    NoteWish, Field(description="`full`: when the money is back, a credit note of it is made, tax and all; no credit.")
]


class RefundAskIn(In):
    """Without an amount, all that is left of the payment."""

    amount: PositiveAmount | None = None
    reason: Reason


class RefundIn(RefundAskIn):
    payment_id: PaymentRef
    ends_access: bool = False
    reason_code: ReasonCode = RefundReason.OTHER
    credit_note: NoteChoice = NoteWish.NONE

    def to_model(self) -> NewRefund:
        return NewRefund(
            payment_id=self.payment_id,
            reason=self.reason,
            amount_minor=self.amount,
            ends_access=self.ends_access,
            reason_code=self.reason_code,
            credit_note=self.credit_note,
        )


class TakeRefundIn(In):
    """Why somebody made this refund at the provider, and what is to follow from it here."""

    reason: Reason
    ends_access: bool = False
    reason_code: ReasonCode = RefundReason.OTHER
    credit_note: NoteChoice = NoteWish.NONE


class GrantIn(In):
    ends_access: bool | None = None
    credit_note: NoteChoice | None = None


class RefuseIn(In):
    reason: Reason


class RefundPolicyIn(In):
    """Which refunds that customers ask for are granted by themselves: all that is said must hold.

    `auto_grant_days`: so many days after the payment; 0 is never. `amounts_max`: up to so much, by currency; a currency
    that is not named is left to staff, where one is named at all. `per_customer_year`: so many a customer in 365 days.
    `only_unused`: nothing was metered of what it paid for. What it grants ends the access that it pays back.
    """

    auto_grant_days: Annotated[int, Field(ge=0, le=3650)]
    amounts_max: Annotated[dict[CurrencyCode, PositiveAmount], Field(max_length=200)] = {}
    per_customer_year: Annotated[int, Field(ge=0, le=1000)] | None = None
    only_unused: bool = False
    credit_note: NoteChoice = NoteWish.NONE

    def to_model(self) -> RefundPolicy:
        return RefundPolicy(
            auto_grant_days=self.auto_grant_days,
            amounts_max=self.amounts_max,
            per_customer_year=self.per_customer_year,
            only_unused=self.only_unused,
            credit_note=self.credit_note,
        )


class RefundPolicyOut(Out):
    auto_grant_days: int
    amounts_max: dict[str, int]
    per_customer_year: int | None
    only_unused: bool
    credit_note: NoteWish


class RefundOut(Out):
    id: RefundRef
    payment_id: PaymentRef
    invoice_id: InvoiceRef
    customer_id: CustomerRef
    amount: int
    currency: str
    status: RefundStatus
    reason: str
    reason_code: RefundReason
    credit_note: NoteWish
    granted_by: GrantedBy
    ends_access: bool
    is_overpayment: bool
    decline_code: Annotated[
        str | None,
        Field(
            description="Why it failed; of one that succeeded: why it came back later. It is owed to the customer still."
        ),
    ]
    asked_at: datetime
    settled_at: datetime | None
    asked_by: Annotated[str | None, Field(description="Who acted: `staff:…`, `api_key:…`, `user:…`.")]
    first_by: Annotated[
        str | None, Field(description="The first of two persons; while it is `asked`, another one is to grant it.")
    ]
    expires_at: Annotated[datetime | None, Field(description="When the wait for a second person ends.")]
    decided_by: str | None


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
        reason_code=refund.reason_code,
        credit_note=refund.credit_note,
        granted_by=refund.granted_by,
        ends_access=refund.ends_access,
        is_overpayment=refund.is_overpayment,
        decline_code=refund.decline_code or None,
        asked_at=refund.asked_at,
        settled_at=refund.settled_at,
        asked_by=refund.asked_by or None,
        first_by=refund.first_by or None,
        expires_at=refund.first_at + LASTS if refund.first_at and refund.status is RefundStatus.ASKED else None,
        decided_by=refund.decided_by or None,
    )


def policy_to_wire(policy: RefundPolicy) -> RefundPolicyOut:
    return RefundPolicyOut(
        auto_grant_days=policy.auto_grant_days,
        amounts_max=dict(policy.amounts_max),
        per_customer_year=policy.per_customer_year,
        only_unused=policy.only_unused,
        credit_note=policy.credit_note,
    )
