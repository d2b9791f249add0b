"""What customers announces. Thin on purpose: personal data stays in the room."""

from dataclasses import dataclass
from typing import ClassVar

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerEvent(Event):
    topic: ClassVar = "customers.events"

    customer_id: CustomerId
    organization_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCreated(CustomerEvent):
    name: ClassVar = "customers.customer.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerUpdated(CustomerEvent):
    name: ClassVar = "customers.customer.updated"

    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerErased(CustomerEvent):
    """The key of this customer's personal data was destroyed: nothing of it opens again."""

    name: ClassVar = "customers.customer.erased"
