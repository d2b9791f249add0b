"""What a customer asks for, carried out whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.domain.invoicing.model import Invoice
from guilder.domain.payments.model import Payment, Transfer
from guilder.domain.subscriptions.model import Subscription, Terms
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money, total
from guilder.kernel.period import Interval


class OrderKind(StrEnum):
    SUBSCRIBE = "subscribe"
    CHANGE = "change"
    BUY = "buy"  # a product
    PAY = "pay"  # an amount
    CHARGE = "charge"  # asked for by a company product


class OrderStatus(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    kind: OrderKind
    status: OrderStatus
    created_at: datetime
    amount_due: Money
    subscription_id: UUID | None = None
    invoice_id: UUID | None = None
    product_id: UUID | None = None
    product_code: str = ""
    access_days: int | None = None  # how long the product may be used once it is paid for; None is for ever
    pending_terms: Terms | None = None  # what the subscription becomes once this is paid
    completed_at: datetime | None = None
    abandon_at: datetime | None = None  # when it is given up, if nobody has paid by then
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """How often an amount is to be paid again."""

    interval: Interval
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What the payment page shows of an invoice: the invoice, the latest try to pay it, and until when the link is good."""

    invoice: Invoice
    payment: Payment | None
    expires_at: datetime
    is_expired: bool
    is_test: bool
    transfer: Transfer | None = None  # where it is to be paid so


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said at once: the order, what is owed, and where it can be paid."""

    order: Order | None
    subscription: Subscription | None = None
    invoice: Invoice | None = None
    payment: Payment | None = None
    payment_link: str | None = None

    @property
    def amount_due(self) -> Money | None:
        return self.invoice.due if self.invoice else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be: invoices and credit notes in the order in which they would be made, and the subscription after."""

    subscription: Subscription | None
    invoices: tuple[Invoice, ...]

    @property
    def due(self) -> Money | None:
        """What would have to be paid; None where nothing would be billed."""
        if not self.invoices:
            return None
        return total([each.due for each in self.invoices], self.invoices[0].currency)


class ChargeStatus(StrEnum):
    RECEIVED = "received"
    PLACED = "placed"  # it is an order, and its invoice is being collected
    REFUSED = "refused"
    SETTLED = "settled"
    FAILED = "failed"  # nothing more is collected for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a company product asks to be charged. (source, source_id) names it: asked again, it is the same."""

    tenant_id: TenantId
    id: UUID
    source: str
    source_id: str
    customer: str  # as the product calls it
    description: str
    received_at: datetime
    amount: Money | None = None  # or a product
    product: str = ""
    payment_method_id: UUID | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    status: ChargeStatus = ChargeStatus.RECEIVED
    customer_id: CustomerId | None = None
    order_id: UUID | None = None
    invoice_id: UUID | None = None
    reason: str = ""
    decided_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A charge that was asked for, and whether it was known already."""

    charge: Charge
    is_duplicate: bool
