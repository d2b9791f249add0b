"""What is owed, line by line, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from guilder.domain.identity.model import Address
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Period


class Status(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class LineKind(StrEnum):
    RECURRING = "recurring"
    PRORATION_CREDIT = "proration_credit"
    PRORATION_CHARGE = "proration_charge"
    PRODUCT = "product"
    CHARGE = "charge"  # an amount that somebody named: /pay, a company product


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLine:
    """A line before tax. (subscription, charge, period start, cause) is billed once, ever: that is `billed_item`."""

    kind: LineKind
    description: str
    amount: Money
    quantity: int = 1
    unit_amount: Money | None = None
    period: Period | None = None
    subscription_id: UUID | None = None
    product_id: UUID | None = None
    billed_item: str  # "sub:<id>:fee:<period start ISO>", "order:<id>:<n>": unique in the tenant, freed by a void
    explanation: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What `invoicing.finalize` is asked to make owed."""

    tenant_id: TenantId
    customer_id: CustomerId
    currency: str
    lines: tuple[NewLine, ...]
    issued_at: datetime  # when it fell due, not when the machine got to it
    subscription_id: UUID | None = None
    order_id: UUID | None = None
    payment_method_id: UUID | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    id: UUID
    number: int
    kind: LineKind
    description: str
    quantity: int
    unit_amount: Money | None
    amount: Money  # net
    tax_percent: Decimal
    tax: Money
    period: Period | None
    subscription_id: UUID | None
    product_id: UUID | None
    explanation: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """Tax is kept exact per line and rounded once per rate."""

    name: str
    percent: Decimal
    net: Money
    tax: Money
    legal_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The seller or the buyer as they were when the invoice became final."""

    name: str
    address: Address
    vat_id: str = ""
    email: str = ""
    registration: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    number: str | None
    status: Status
    currency: str
    subtotal: Money
    tax: Money
    total: Money
    paid: Money
    credited: Money
    refunded: Money
    lines: tuple[Line, ...]
    taxes: tuple[TaxTotal, ...]
    seller: Party | None
    buyer: Party | None
    language: str
    time_zone: str
    issued_at: datetime
    issued_on: date
    due_at: datetime
    created_at: datetime
    subscription_id: UUID | None = None
    order_id: UUID | None = None
    finalized_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None
    has_document: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def due(self) -> Money:
        """What is still to be paid: recomputed from what happened, never counted down."""
        return self.total - self.paid - self.credited


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Money that came in for an invoice, as invoicing is told of it."""

    tenant_id: TenantId
    invoice_id: UUID
    payment_id: UUID
    settled_at: datetime

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)
