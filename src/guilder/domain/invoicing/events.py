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
