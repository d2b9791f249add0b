"""Promo codes: what is taken off, of what, how often, and for whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money


class Duration(StrEnum):
    ONCE = "once"  # the first invoice with something to take it off
    PERIODS = "periods"  # so many of them
    FOREVER = "forever"


class PromoStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPromoCode:
    """Either `percent` (of 100, exact) or `amount` (of each invoice) is taken off; limits that are None do not limit."""

    code: str
    name: str
    percent: Decimal | None = None
    amount: Money | None = None
    duration: Duration = Duration.ONCE
    periods: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None  # the first instant at which it cannot be redeemed any more
    redemptions_max: int | None = None
    redemptions_max_per_customer: int | None = None
    plan_ids: tuple[UUID, ...] = ()  # none: every plan, and one-off products
    first_purchase_only: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoCode(NewPromoCode):
    tenant_id: TenantId
    id: UUID
    status: PromoStatus
    created_at: datetime
    redemptions: int = 0
