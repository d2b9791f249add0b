"""What a customer asks for, carried out whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.domain.invoicing.model import Invoice
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money


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
    completed_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said at once: the order, what is owed, and where it can be paid."""

    order: Order | None
    subscription: Subscription | None = None
    invoice: Invoice | None = None
    payment_link: str | None = None
