"""Prices on the wire: an amount for each, or a model. Unit prices are exact decimals of minor units, as text."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.catalog.model import (
    CYCLES,
    BillingCycle,
    ChargeModel,
    MatrixCell,
    NewPrice,
    Price,
    PriceModel,
    Tier,
)
from guilder.domain.catalog.rules.checking import CELLS_MAX, DIMENSIONS_MAX, TIERS_MAX
from guilder.domain.catalog.schemas.fields import PriceRef, Property, PropertyValue
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.http.fields import CurrencyCode, Exact, In, NonNegativeAmount, Out

EVENTS_MAX = 2**53
ZERO = Decimal(0)


class TierIn(In):
    """Units up to and including `up_to`; null in the last tier. The flat amount is owed once, when it is entered."""

    up_to: Exact | None
    unit_amount: Exact = ZERO
    flat_amount: Exact = ZERO
    percent: Exact = ZERO

    def to_model(self) -> Tier:
        return Tier(up_to=self.up_to, unit_amount=self.unit_amount, flat_amount=self.flat_amount, percent=self.percent)


class CellIn(In):
    values: Annotated[dict[Property, PropertyValue], Field(min_length=1, max_length=DIMENSIONS_MAX)]
    unit_amount: Exact

    def to_model(self, dimensions: list[str]) -> MatrixCell:
        order = {name: n for n, name in enumerate(dimensions)}
        values = sorted(self.values.items(), key=lambda pair: order.get(pair[0], len(order)))
        return MatrixCell(values=tuple(values), unit_amount=self.unit_amount)


class ModelFieldsIn(In):
    """What a model is worked out from. Which fields count is the model's to say; others are refused."""

    unit_amount: Exact | None = None
    free_units: Exact = ZERO
    package_size: Exact = Decimal(1)
    tiers: Annotated[list[TierIn], Field(max_length=TIERS_MAX)] = []
    percent: Exact = ZERO
    fixed_amount: Exact = ZERO
    free_events: Annotated[int, Field(ge=0, le=EVENTS_MAX)] = 0
    free_value: Exact = ZERO
    dimensions: Annotated[list[Property], Field(max_length=DIMENSIONS_MAX)] = []
    cells: Annotated[list[CellIn], Field(max_length=CELLS_MAX)] = []

    def model_of(self, model: ChargeModel, *, unit_amount: Decimal | None) -> PriceModel:
        return PriceModel(
            model=model,
            unit_amount=ZERO if unit_amount is None else unit_amount,
            free_units=self.free_units,
            package_size=self.package_size,
            tiers=tuple(tier.to_model() for tier in self.tiers),
            percent=self.percent,
            fixed_amount=self.fixed_amount,
            free_events=self.free_events,
            free_value=self.free_value,
            dimensions=tuple(self.dimensions),
            cells=tuple(cell.to_model(self.dimensions) for cell in self.cells),
        )


# Models whose price is one amount: a plan's price may give it as `amount`, whole minor units.
_OF_AN_AMOUNT = frozenset({ChargeModel.FLAT, ChargeModel.PER_UNIT, ChargeModel.PACKAGE})


class PriceIn(ModelFieldsIn):
    """A price for one billing cycle and currency: by the cycle's name, or by `interval` and `interval_count`.

    Without a model it is `amount` for each of the quantity. Flat, per unit and package take `amount` or, where it is
    not whole minor units, `unit_amount`.
    """

    billing_cycle: BillingCycle | None = None
    interval: Unit | None = None
    interval_count: Annotated[int, Field(ge=1, le=1000)] = 1
    amount: NonNegativeAmount | None = None
    currency: CurrencyCode
    model: ChargeModel | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.billing_cycle is None) == (self.interval is None):
            raise PydanticCustomError("cycle_or_interval", "should have either billing_cycle or interval")
        if self.billing_cycle is not None and self.interval_count != 1:
            raise PydanticCustomError("cycle_or_interval", "goes with interval alone", {"field": "interval_count"})
        if self.model is None:
            self._says_an_amount_alone()
        elif self.model in _OF_AN_AMOUNT:
            if (self.amount is None) == (self.unit_amount is None):
                raise PydanticCustomError("amount_or_unit_amount", "should have either amount or unit_amount")
        elif self.amount is not None:
            raise PydanticCustomError("no_amount", "goes with flat, per_unit and package alone", {"field": "amount"})
        return self

    def _says_an_amount_alone(self) -> None:
        if self.amount is None:
            raise PydanticCustomError("missing", "is required", {"field": "amount"})
        # What is said as it is by default is not said: a client made from the document sends every field.
        said = sorted(name for name, of in ModelFieldsIn.model_fields.items() if getattr(self, name) != of.default)
        if said:
            raise PydanticCustomError("no_model", "means nothing without a model", {"field": said[0]})

    def to_model(self) -> NewPrice:
        if self.billing_cycle is not None:
            interval, cycle = CYCLES[self.billing_cycle], self.billing_cycle.value
        else:
            assert self.interval is not None
            interval = Interval(self.interval, self.interval_count)
            cycle = cycle_name(interval)
        unit_amount = self.unit_amount if self.amount is None else Decimal(self.amount)
        return NewPrice(
            interval=interval,
            unit_amount=Money(self.amount or 0, self.currency),
            cycle=cycle,
            model=None if self.model is None else self.model_of(self.model, unit_amount=unit_amount),
        )


def cycle_name(interval: Interval) -> str:
    """Name an interval: `monthly` where it has a name of its own, else `every_3_weeks`."""
    named = {known: cycle.value for cycle, known in CYCLES.items()}
    return named.get(interval) or f"every_{interval.count}_{interval.unit.value}s"


class TierOut(Out):
    up_to: Exact | None
    unit_amount: Exact
    flat_amount: Exact
    percent: Exact


class CellOut(Out):
    values: dict[str, str]
    unit_amount: Exact


class ModelFieldsOut(Out):
    """What the model is worked out from; what it has no use for has its default, or null."""

    unit_amount: Exact | None = None
    free_units: Exact = ZERO
    package_size: Exact = Decimal(1)
    tiers: list[TierOut] = []
    percent: Exact = ZERO
    fixed_amount: Exact = ZERO
    free_events: int = 0
    free_value: Exact = ZERO
    dimensions: list[str] = []
    cells: list[CellOut] = []


class PriceOut(ModelFieldsOut):
    """`amount` is what one costs, by the model if there is one."""

    id: PriceRef
    billing_cycle: str
    interval: Unit
    interval_count: int
    amount: int
    currency: str
    model: ChargeModel | None


def price_to_wire(price: Price) -> PriceOut:
    return PriceOut(
        id=price.id,
        billing_cycle=price.cycle,
        interval=price.interval.unit,
        interval_count=price.interval.count,
        amount=price.unit_amount.minor,
        currency=price.unit_amount.currency,
        model=None if price.model is None else price.model.model,
        **({} if price.model is None else model_to_wire(price.model)),
    )


def model_to_wire(model: PriceModel) -> dict[str, object]:
    """Return the fields of a model, beside its name."""
    return {
        "unit_amount": model.unit_amount,
        "free_units": model.free_units,
        "package_size": model.package_size,
        "tiers": [
            TierOut(up_to=t.up_to, unit_amount=t.unit_amount, flat_amount=t.flat_amount, percent=t.percent)
            for t in model.tiers
        ],
        "percent": model.percent,
        "fixed_amount": model.fixed_amount,
        "free_events": model.free_events,
        "free_value": model.free_value,
        "dimensions": list(model.dimensions),
        "cells": [CellOut(values=dict(cell.values), unit_amount=cell.unit_amount) for cell in model.cells],
    }
