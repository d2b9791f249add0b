"""What is sold: plans in versions, one-off products, tax rates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit


class BillingCycle(StrEnum):
    """The usual intervals by the name that an API caller gives them."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


CYCLES: dict[BillingCycle, Interval] = {
    BillingCycle.DAILY: Interval(Unit.DAY),
    BillingCycle.WEEKLY: Interval(Unit.WEEK),
    BillingCycle.MONTHLY: Interval(Unit.MONTH),
    BillingCycle.QUARTERLY: Interval(Unit.QUARTER),
    BillingCycle.HALF_YEARLY: Interval(Unit.HALF_YEAR),
    BillingCycle.YEARLY: Interval(Unit.YEAR),
}
assert set(CYCLES) == set(BillingCycle)


class PlanStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    code: str
    name: str
    value: str = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of something a plan includes; None is without limit."""

    code: str
    name: str
    included: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit costs for one interval, in advance."""

    id: UUID
    interval: Interval
    unit_amount: Money
    cycle: str  # a BillingCycle, or "every_3_weeks" and the like where the interval has no name of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One version of a plan. A price change makes a new version; subscriptions stay on theirs until moved."""

    tenant_id: TenantId
    id: UUID
    code: str
    version: int
    name: str
    description: str
    status: PlanStatus
    prices: tuple[Price, ...]
    features: tuple[Feature, ...]
    limits: tuple[Limit, ...]
    trial_days: int
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)

    def price_for(self, cycle: str, currency: str | None) -> Price | None:
        """Return the price for a cycle, in a currency or in the plan's first one."""
        fitting = [p for p in self.prices if p.cycle == cycle and currency in (None, p.unit_amount.currency)]
        return fitting[0] if fitting else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something sold once, such as content; buying it grants access, for ever or for `access_days`."""

    tenant_id: TenantId
    id: UUID
    code: str
    name: str
    description: str
    prices: tuple[Money, ...]
    access_days: int | None
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """A percentage on top of net prices, with the words that the law wants beside it."""

    tenant_id: TenantId
    id: UUID
    name: str
    percent: Decimal
    country: str = ""
    is_default: bool = False
    legal_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """A price as it is asked for: its id is given when the version is made."""

    interval: Interval
    unit_amount: Money
    cycle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContent:
    """All of a plan that a version fixes."""

    name: str
    description: str
    prices: tuple[NewPrice, ...]
    features: tuple[Feature, ...]
    limits: tuple[Limit, ...]
    trial_days: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    code: str
    name: str
    description: str
    prices: tuple[Money, ...]
    access_days: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)
