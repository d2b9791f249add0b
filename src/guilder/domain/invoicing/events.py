"""What invoicing announces."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceEvent(Event):
    topic: ClassVar = "invoices.events"

    invoice_id: UUID
    customer_id: CustomerId
    subscription_id: UUID | None
    order_id: UUID | None
    number: str
    total: Money
    subscription_ids: tuple[UUID, ...] = ()  # every one that it bills; a shared invoice is of none alone


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFinalized(InvoiceEvent):
    name: ClassVar = "invoicing.invoice.finalized"

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaid(InvoiceEvent):
    name: ClassVar = "invoicing.invoice.paid"

    paid_at: datetime
    product_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteIssued(InvoiceEvent):
    """Something billed was taken back: its total is negative. `credited` went to the customer's credit."""

    name: ClassVar = "invoicing.credit_note.issued"

    corrects_invoice_id: UUID | None
    credited: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGranted(Event):
    """The customer has credit, which pays its next invoices."""

    name: ClassVar = "invoicing.credit.granted"
    topic: ClassVar = "invoices.events"

    credit_id: UUID
    customer_id: CustomerId
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRequestEvent(Event):
    topic: ClassVar = "invoices.events"

    credit_request_id: UUID
    customer_id: CustomerId
    kind: str  # grant, pay_out, credit_note
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRequested(CreditRequestEvent):
    """One person of the business asked for credit that takes two: it waits for another one."""

    name: ClassVar = "invoicing.credit.requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditApproved(CreditRequestEvent):
    """Another person granted it; what was made of it tells of itself."""

    name: ClassVar = "invoicing.credit.approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRefused(CreditRequestEvent):
    """Somebody of the business said no to it, or nobody said yes in time."""

    name: ClassVar = "invoicing.credit.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountRedeemed(Event):
    """A promo code was redeemed: it takes something off the customer's next invoices."""

    name: ClassVar = "invoicing.discount.redeemed"
    topic: ClassVar = "invoices.events"

    discount_id: UUID
    customer_id: CustomerId
    subscription_id: UUID | None
    promo_code_id: UUID
    promo_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDueSoon(InvoiceEvent):
    """It was sent, is not paid, and its due date is three days away."""

    name: ClassVar = "invoicing.invoice.due_soon"

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceOverdue(InvoiceEvent):
    """Its due date has passed, and it is not paid."""

    name: ClassVar = "invoicing.invoice.overdue"

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceVoided(InvoiceEvent):
    name: ClassVar = "invoicing.invoice.voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceGivenUp(InvoiceEvent):
    """It is not expected to be paid any more; it can still be."""

    name: ClassVar = "invoicing.invoice.given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDocumentStored(InvoiceEvent):
    """Its PDF can be downloaded."""

    name: ClassVar = "invoicing.invoice.document_stored"

    is_paid: bool
