"""What HTTP says and hears of credit that takes two persons."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.invoicing.rules.two_persons import CreditKind, CreditRequest, RequestStatus
from guilder.domain.invoicing.schemas.correcting import CreditNoteIn
from guilder.domain.invoicing.schemas.credit import CreditIn, PayOutIn
from guilder.domain.invoicing.schemas.invoices import CustomerRef, InvoiceRef
from guilder.domain.payments.rules.two_persons import LASTS
from guilder.platform.http.fields import IdOf, In, Out

CreditRequestRef = Annotated[UUID, IdOf("creq")]


class CreditNoteWishIn(CreditNoteIn):
    invoice_id: InvoiceRef


class CreditRequestIn(In):
    """One of the three: what `POST /api/credits`, `/api/credits/pay-out` or an invoice's credit notes take."""

    grant: CreditIn | None = None
    pay_out: PayOutIn | None = None
    credit_note: CreditNoteWishIn | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "CreditRequestIn":
        if sum(each is not None for each in (self.grant, self.pay_out, self.credit_note)) != 1:
            raise PydanticCustomError("not_one_wish", "should say one of grant, pay_out and credit_note")
        return self


class CreditRequestOut(Out):
    id: CreditRequestRef
    kind: CreditKind
    status: RequestStatus
    customer_id: CustomerRef
    invoice_id: InvoiceRef | None
    amount: int
    currency: str
    reason: str
    asked_by: Annotated[str, Field(description="Who acted: `staff:…` or `api_key:…`.")]
    asked_at: datetime
    expires_at: Annotated[datetime | None, Field(description="When the wait for a second person ends.")]
    decided_by: str | None
    decided_at: datetime | None

    @classmethod
    def to_wire(cls, request: CreditRequest) -> "CreditRequestOut":
        return cls(
            id=request.id,
            kind=request.kind,
            status=request.status,
            customer_id=request.customer_id,
            invoice_id=request.invoice_id,
            amount=request.amount.minor,
            currency=request.amount.currency,
            reason=request.reason,
            asked_by=request.asked_by,
            asked_at=request.asked_at,
            expires_at=request.asked_at + LASTS if request.status is RequestStatus.REQUESTED else None,
            decided_by=request.decided_by or None,
            decided_at=request.decided_at,
        )
