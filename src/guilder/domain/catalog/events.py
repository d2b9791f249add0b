"""What the catalog announces."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEvent(Event):
    topic: ClassVar = "catalog.events"
    key: ClassVar = "plan_id"

    plan_id: UUID
    code: str
    plan_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCreated(PlanEvent):
    name: ClassVar = "catalog.plan.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersioned(PlanEvent):
    name: ClassVar = "catalog.plan.versioned"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArchived(PlanEvent):
    name: ClassVar = "catalog.plan.archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductCreated(Event):
    name: ClassVar = "catalog.product.created"
    topic: ClassVar = "catalog.events"
    key: ClassVar = "product_id"

    product_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterCreated(Event):
    name: ClassVar = "catalog.meter.created"
    topic: ClassVar = "catalog.events"
    key: ClassVar = "meter_id"

    meter_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoCodeEvent(Event):
    topic: ClassVar = "catalog.events"
    key: ClassVar = "promo_code_id"

    promo_code_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoCodeCreated(PromoCodeEvent):
    name: ClassVar = "catalog.promo_code.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoCodeArchived(PromoCodeEvent):
    name: ClassVar = "catalog.promo_code.archived"
