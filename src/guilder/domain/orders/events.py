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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequested(Event):
    """A company product asks to charge a customer. `asker_key` orders what is asked for one customer of one source."""

    name: ClassVar = "orders.charge.requested"
    topic: ClassVar = "charges.requests"
    key: ClassVar = "asker_key"

    charge_id: UUID
    asker_key: UUID
    source: str
    source_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeEvent(Event):
    """What became of it, named as the product that asked named it."""

    topic: ClassVar = "charges.results"

    charge_id: UUID
    customer_id: CustomerId
    source: str
    source_id: str
    order_id: UUID
    invoice_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeAccepted(ChargeEvent):
    """It is an order, and is being collected: with a saved method, or by the customer's link."""

    name: ClassVar = "orders.charge.accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSettled(ChargeEvent):
    name: ClassVar = "orders.charge.settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeFailed(ChargeEvent):
    """A try failed; or, where it `is_final`, nothing more is collected for it."""

    name: ClassVar = "orders.charge.failed"

    reason: str
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRefused(Event):
    """Nothing was charged, and nothing will be."""

    name: ClassVar = "orders.charge.refused"
    topic: ClassVar = "charges.results"
    key: ClassVar = "asker_key"

    charge_id: UUID
    asker_key: UUID
    source: str
    source_id: str
    reason: str
