"""Meters, and the charges of a plan for what they measure, on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from guilder.domain.catalog.model import Aggregation, Charge, ChargeModel, ChargePrice, Meter, NewMeter
from guilder.domain.catalog.rules.checking import FILTER_VALUES_MAX, FILTERS_MAX, GROUP_BY_MAX
from guilder.domain.catalog.schemas.fields import CatalogCode, Category, MeterRef, Property, PropertyValue
from guilder.domain.catalog.schemas.prices import ModelFieldsIn, ModelFieldsOut, model_to_wire
from guilder.platform.http.fields import CurrencyCode, Exact, In, Name, NonNegativeAmount, Out

CURRENCIES_MAX = 50


class MeterIn(In):
    """`code` is what usage events name; `property` what is summed, counted once or weighed."""

    code: CatalogCode
    name: Name
    aggregation: Aggregation
    property: Property | None = None

    def to_model(self) -> NewMeter:
        return NewMeter(code=self.code, name=self.name, aggregation=self.aggregation, property=self.property or "")


class MeterOut(Out):
    id: MeterRef
    code: str
    name: str
    aggregation: Aggregation
    property: str | None
    created_at: datetime


class ChargePriceIn(ModelFieldsIn):
    """The price in one currency. `cap_amount` is the most that a period's charge comes to."""

    currency: CurrencyCode
    model: ChargeModel
    cap_amount: NonNegativeAmount | None = None

    def to_model(self) -> ChargePrice:
        model = self.model_of(self.model, unit_amount=self.unit_amount)
        return ChargePrice(currency=self.currency, model=model, cap_minor=self.cap_amount)


class ChargeIn(In):
    """What use costs, in arrears: readings of a meter, filtered, grouped and priced in each currency of the plan."""

    code: CatalogCode
    name: Name
    meter: CatalogCode
    prices: Annotated[list[ChargePriceIn], Field(min_length=1, max_length=CURRENCIES_MAX)]
    included: Exact = Decimal(0)
    filters: Annotated[
        dict[Property, Annotated[list[PropertyValue], Field(min_length=1, max_length=FILTER_VALUES_MAX)]],
        Field(max_length=FILTERS_MAX),
    ] = {}
    group_by: Annotated[list[Property], Field(max_length=GROUP_BY_MAX)] = []
    amount_property: Property | None = None
    tax_category: Category = ""

    def to_model(self) -> Charge:
        return Charge(
            code=self.code,
            name=self.name,
            meter=self.meter,
            prices=tuple(price.to_model() for price in self.prices),
            included=self.included,
            filters=tuple((name, tuple(dict.fromkeys(values))) for name, values in self.filters.items()),
            group_by=tuple(self.group_by),
            amount_property=self.amount_property or "",
            tax_category=self.tax_category,
        )


class ChargePriceOut(ModelFieldsOut):
    currency: str
    model: ChargeModel
    cap_amount: int | None


class ChargeOut(Out):
    code: str
    name: str
    meter: str
    prices: list[ChargePriceOut]
    included: Exact
    filters: dict[str, list[str]]
    group_by: list[str]
    amount_property: str | None
    tax_category: str


def meter_to_wire(meter: Meter) -> MeterOut:
    return MeterOut(
        id=meter.id,
        code=meter.code,
        name=meter.name,
        aggregation=meter.aggregation,
        property=meter.property or None,
        created_at=meter.created_at,
    )


def charge_to_wire(charge: Charge) -> ChargeOut:
    return ChargeOut(
        code=charge.code,
        name=charge.name,
        meter=charge.meter,
        prices=[_price_to_wire(price) for price in charge.prices],
        included=charge.included,
        filters={name: list(values) for name, values in charge.filters},
        group_by=list(charge.group_by),
        amount_property=charge.amount_property or None,
        tax_category=charge.tax_category,
    )


def _price_to_wire(price: ChargePrice) -> ChargePriceOut:
    return ChargePriceOut.model_validate(
        {
            "currency": price.currency,
            "model": price.model.model,
            "cap_amount": price.cap_minor,
            **model_to_wire(price.model),
        }
    )
