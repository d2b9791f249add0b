"""What orders announces."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Event):
    topic: ClassVar = "orders.events"

    order_id: UUID
    customer_id: CustomerId
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced(OrderEvent):
    name: ClassVar = "orders.order.placed"

    amount_due: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCompleted(OrderEvent):
    """It is paid for. Of a product: this is what grants access to it."""

    name: ClassVar = "orders.order.completed"

    completed_at: datetime
    product_id: UUID | None
    product_code: str
    access_until: datetime | None
    invoice_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCanceled(OrderEvent):
    name: ClassVar = "orders.order.canceled"
