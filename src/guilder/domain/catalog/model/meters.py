"""Meters: what is measured of a customer's use, and how many readings become one quantity."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from guilder.domain.catalog.model.prices import PriceModel
from guilder.kernel.ids import TenantId


class Aggregation(StrEnum):
    COUNT = "count"
    SUM = "sum"
    MAX = "max"
    UNIQUE_COUNT = "unique_count"
    LATEST = "latest"
    WEIGHTED_SUM = "weighted_sum"  # the level, weighted by how long it stood; it carries into the next period


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """`code` is what usage events name. `property` is what is summed, counted once or weighed; count needs none."""

    tenant_id: TenantId
    id: UUID
    code: str
    name: str
    aggregation: Aggregation
    property: str = ""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMeter:
    code: str
    name: str
    aggregation: Aggregation
    property: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePrice:
    """The price of a charge in one currency. `cap_minor` is the most that a period's charge comes to."""

    currency: str
    model: PriceModel
    cap_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What use of a plan costs, in arrears: readings of a meter, filtered, grouped, and priced.

    `included` is a limit with an overage price: so many units of it belong to the plan, what is beyond is priced.
    `amount_property` names the property of an event that carries its price (dynamic) or its value (percentage); where
    it is empty, the meter's own property is meant.
    """

    code: str
    name: str
    meter: str
    prices: tuple[ChargePrice, ...]
    included: Decimal = Decimal(0)
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()  # property, and the values of it that count
    group_by: tuple[str, ...] = ()  # one line for each combination of these properties
    amount_property: str = ""
    tax_category: str = ""
