"""Prices: an amount for an interval, and the models by which a quantity is priced."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

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


class ChargeModel(StrEnum):
    FLAT = "flat"  # one amount, whatever the quantity
    PER_UNIT = "per_unit"
    GRADUATED = "graduated"  # each tier prices the units within it
    VOLUME = "volume"  # all units at the tier that the total reaches
    PACKAGE = "package"  # whole packages: ceil((units - free) / size)
    PERCENTAGE = "percentage"  # of the value, and a fixed fee for each event
    GRADUATED_PERCENTAGE = "graduated_percentage"
    DYNAMIC = "dynamic"  # the event carries its price
    MATRIX = "matrix"  # a unit price by the properties of the event


class Tier(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Units up to and including `up_to`; None is without end. The flat fee is charged once, when the tier is entered."""

    up_to: Decimal | None
    unit_amount: Decimal = Decimal(0)  # minor units, exact
    flat_amount: Decimal = Decimal(0)  # minor units
    percent: Decimal = Decimal(0)  # graduated percentage alone


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """The unit price of events whose properties have all of these values."""

    values: tuple[tuple[str, str], ...]
    unit_amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceModel:
    """How a quantity is priced in one currency. Amounts are exact minor units; only the result is rounded, once.

    Which fields count is the model's to say; the others stay as they are here.
    """

    model: ChargeModel
    unit_amount: Decimal = Decimal(0)  # per unit; the amount of `flat`; of a package; of what no matrix cell has
    free_units: Decimal = Decimal(0)  # per unit, package, matrix, dynamic: what is included before the price begins
    package_size: Decimal = Decimal(1)
    tiers: tuple[Tier, ...] = ()
    percent: Decimal = Decimal(0)
    fixed_amount: Decimal = Decimal(0)  # percentage: for each event
    free_events: int = 0  # percentage: so many events cost nothing of either kind
    free_value: Decimal = Decimal(0)  # percentage: so much value costs no percentage
    dimensions: tuple[str, ...] = ()  # matrix: the properties, in order
    cells: tuple[MatrixCell, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit costs for one interval; with a model, what a quantity of them costs."""

    id: UUID
    interval: Interval
    unit_amount: Money
    cycle: str  # a BillingCycle, or "every_3_weeks" and the like where the interval has no name of its own
    model: PriceModel | None = None  # None: `unit_amount` for each


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """A price as it is asked for: its id is given when the version is made."""

    interval: Interval
    unit_amount: Money
    cycle: str
    model: PriceModel | None = None
