"""What a rating comes to: the amount, and the walk as data."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar

from msgspec import Struct

from guilder.kernel.errors import Invalid
from guilder.kernel.money import MINOR_MAX, Money, round_half_up

# Whole numbers stay whole: nearly all are, and a fraction takes ten times as long. Never divide one by `/`: of two whole
# ones that is a float.
Exact = Fraction | int

Said = TypeVar("Said")


class AmountTooLarge(Invalid):
    """At this price that many come to more than any amount can be."""

    code = "amount_too_large"


class StepKind(StrEnum):
    FREE = "free"  # units, or value, that cost nothing
    FLAT = "flat"
    UNITS = "units"
    TIER = "tier"
    PACKAGES = "packages"  # `units` are packages
    PERCENT = "percent"  # `units` are minor units of value
    PERCENT_TIER = "percent_tier"
    EVENTS = "events"  # the fixed fee of each event
    CARRIED = "carried"  # prices that the events brought along, in minor units
    CELL = "cell"


class Step(Struct, frozen=True, kw_only=True):
    """One line of the arithmetic. `subtotal` = units x unit_amount (or percent of units) + flat_amount, exactly.

    Units lie above `above`, up to and including `up_to`, where it is a tier; None is without end. Amounts are minor
    units.
    """

    kind: StepKind
    units: Exact
    unit_amount: Decimal = Decimal(0)
    flat_amount: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)
    above: Decimal | None = None
    up_to: Decimal | None = None
    values: tuple[tuple[str, str], ...] = ()  # the properties of a matrix's cell
    subtotal: Exact

    kept: dict[object, Any] | None = None
    """What was said of a step that stands in many walks; None: it is of one."""

    @property
    def data(self) -> Mapping[str, object]:
        """Return what JSON can hold: numbers as exact text, without what says nothing here."""
        return self.said("data", self._data)

    def said(self, name: object, say: Callable[[], Said]) -> Said:
        """Return what `say` says of it, which is asked once where the step keeps it."""
        if self.kept is None:
            return say()
        if name not in self.kept:
            self.kept[name] = say()
        found: Said = self.kept[name]
        return found

    def _data(self) -> Mapping[str, object]:
        said: dict[str, object] = {"kind": self.kind.value, "units": exact_text(self.units)}
        if self.kind in (StepKind.TIER, StepKind.PERCENT_TIER):
            said |= {"above": number(self.above or Decimal(0)), "up_to": number(self.up_to) if self.up_to else None}
        for name, value in (("unit_amount", self.unit_amount), ("flat_amount", self.flat_amount)):
            if value:
                said[name] = number(value)
        if self.kind in (StepKind.PERCENT, StepKind.PERCENT_TIER):
            said["percent"] = number(self.percent)
        if self.values:
            said["values"] = dict(self.values)
        return said | {"subtotal": exact_text(self.subtotal)}


class Rated(Struct, frozen=True, kw_only=True):
    """`exact` is in minor units, before rounding and before the cap; it is the sum of the steps."""

    amount: Money
    exact: Exact
    steps: tuple[Step, ...]
    is_capped: bool = False

    def walk(self) -> list[Mapping[str, object]]:
        """Return the arithmetic as JSON can hold it, step by step."""
        return [step.data for step in self.steps]


def rated(steps: list[Step], *, currency: str, cap_minor: int | None = None) -> Rated:
    """Add the steps up and round the sum half-up: the only rounding that there is.

    :raises AmountTooLarge: no amount can hold the sum
    """
    exact: Exact = sum(step.subtotal for step in steps)
    minor = round_half_up(exact)
    is_capped = cap_minor is not None and minor > cap_minor
    if cap_minor is not None and is_capped:
        minor = cap_minor
    if minor > MINOR_MAX:
        raise AmountTooLarge(field="quantity")
    return Rated(amount=Money(minor, currency), exact=exact, steps=tuple(steps), is_capped=is_capped)


def exact_text(value: Exact) -> str:
    """Write a number exactly: `12.5` where a decimal can hold it, else `1/3`."""
    if value.denominator == 1:
        return str(value.numerator)  # most are whole, and an invoice of 4,000 lines writes 80,000
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = max(twos, fives)
    scaled = abs(value.numerator) * 10**digits // value.denominator
    whole, part = divmod(scaled, 10**digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{part:0{digits}d}" if digits else f"{sign}{whole}"


@lru_cache(4_096)  # of prices and bounds, which are few and stand in every line again
def number(value: Decimal) -> str:
    """Write a decimal without exponent and without zeros that say nothing."""
    if value == (whole := int(value)):
        return str(whole)
    return exact_text(Fraction(value))
