"""What HTTP says and hears of the catalog."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.catalog.model import (
    CYCLES,
    BillingCycle,
    Feature,
    Limit,
    NewPrice,
    NewProduct,
    Plan,
    PlanContent,
    Price,
    Product,
    TaxRate,
)
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.http.fields import (
    CountryCode,
    CurrencyCode,
    Exact,
    IdOf,
    In,
    Metadata,
    Name,
    NonNegativeAmount,
    Out,
    PositiveAmount,
    Text,
)

PlanRef = Annotated[UUID, IdOf("plan")]
PriceRef = Annotated[UUID, IdOf("price")]
ProductRef = Annotated[UUID, IdOf("prod")]
Description = Annotated[str, Text(2000, min=0)]
CatalogCode = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]

PRICES_MAX = 100
FEATURES_MAX = 200


class PriceIn(In):
    """A price for one billing cycle and currency: by the cycle's name, or by `interval` and `interval_count`."""

    billing_cycle: BillingCycle | None = None
    interval: Unit | None = None
    interval_count: Annotated[int, Field(ge=1, le=1000)] = 1
    amount: NonNegativeAmount
    currency: CurrencyCode

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.billing_cycle is None) == (self.interval is None):
            raise PydanticCustomError("cycle_or_interval", "should have either billing_cycle or interval")
        return self

    def to_model(self) -> NewPrice:
        if self.billing_cycle is not None:
            interval, cycle = CYCLES[self.billing_cycle], self.billing_cycle.value
        else:
            assert self.interval is not None
            interval = Interval(self.interval, self.interval_count)
            cycle = cycle_name(interval)
        return NewPrice(interval=interval, unit_amount=Money(self.amount, self.currency), cycle=cycle)


def cycle_name(interval: Interval) -> str:
    """Name an interval: `monthly` where it has a name of its own, else `every_3_weeks`."""
    named = {known: cycle.value for cycle, known in CYCLES.items()}
    return named.get(interval) or f"every_{interval.count}_{interval.unit.value}s"


class FeatureIn(In):
    code: CatalogCode
    name: Name
    value: Annotated[str, Text(200)] = "true"


class LimitIn(In):
    """How much is included; null is without limit."""

    code: CatalogCode
    name: Name
    included: Annotated[int, Field(ge=0, le=2**62)] | None


class PlanVersionIn(In):
    name: Name
    description: Description = ""
    prices: Annotated[list[PriceIn], Field(min_length=1, max_length=PRICES_MAX)]
    features: Annotated[list[FeatureIn], Field(max_length=FEATURES_MAX)] = []
    limits: Annotated[list[LimitIn], Field(max_length=FEATURES_MAX)] = []
    trial_days: Annotated[int, Field(ge=0, le=3650)] = 0
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for field, keys in (
            ("prices", [(price.to_model().cycle, price.currency) for price in self.prices]),
            ("features", [feature.code for feature in self.features]),
            ("limits", [limit.code for limit in self.limits]),
        ):
            twice = [key for key, count in Counter(keys).items() if count > 1]
            if twice:
                raise PydanticCustomError(
                    "listed_twice", "{field}: {twice} is there twice", {"field": field, "twice": str(twice[0])}
                )
        return self

    def to_model(self) -> PlanContent:
        return PlanContent(
            name=self.name,
            description=self.description,
            prices=tuple(price.to_model() for price in self.prices),
            features=tuple(Feature(code=f.code, name=f.name, value=f.value) for f in self.features),
            limits=tuple(Limit(code=each.code, name=each.name, included=each.included) for each in self.limits),
            trial_days=self.trial_days,
            metadata=self.metadata,
        )


class PlanIn(PlanVersionIn):
    code: CatalogCode


class PriceOut(Out):
    id: PriceRef
    billing_cycle: str
    interval: Unit
    interval_count: int
    amount: int
    currency: str


class FeatureOut(Out):
    code: str
    name: str
    value: str


class LimitOut(Out):
    code: str
    name: str
    included: int | None


class PlanOut(Out):
    id: PlanRef
    code: str
    version: int
    name: str
    description: str
    status: str
    prices: list[PriceOut]
    features: list[FeatureOut]
    limits: list[LimitOut]
    trial_days: int
    metadata: dict[str, str]
    created_at: datetime


class ProductPriceIn(In):
    amount: PositiveAmount
    currency: CurrencyCode


class ProductIn(In):
    """Something sold once. `access_days` says how long buying it gives access; null is for ever."""

    code: CatalogCode
    name: Name
    description: Description = ""
    prices: Annotated[list[ProductPriceIn], Field(min_length=1, max_length=PRICES_MAX)]
    access_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({price.currency for price in self.prices}) < len(self.prices):
            raise PydanticCustomError("listed_twice", "prices: a currency is there twice")
        return self

    def to_model(self) -> NewProduct:
        return NewProduct(
            code=self.code,
            name=self.name,
            description=self.description,
            prices=tuple(Money(price.amount, price.currency) for price in self.prices),
            access_days=self.access_days,
            metadata=self.metadata,
        )


class ProductPriceOut(Out):
    amount: int
    currency: str


class ProductOut(Out):
    id: ProductRef
    code: str
    name: str
    description: str
    prices: list[ProductPriceOut]
    access_days: int | None
    metadata: dict[str, str]
    created_at: datetime


class TaxRateIn(In):
    """The percentage on top of net prices, as text: "21" or "8.875"."""

    name: Name
    percent: Exact
    country: CountryCode | None = None
    legal_note: Annotated[str, Text(500, min=0)] = ""

    @model_validator(mode="after")
    def _within_a_hundred(self) -> Self:
        if not 0 <= self.percent <= 100:
            raise PydanticCustomError("bad_percent", "percent: should be from 0 to 100")
        return self


class TaxRateOut(Out):
    name: str
    percent: Exact
    country: str
    legal_note: str


def price_to_wire(price: Price) -> PriceOut:
    return PriceOut(
        id=price.id,
        billing_cycle=price.cycle,
        interval=price.interval.unit,
        interval_count=price.interval.count,
        amount=price.unit_amount.minor,
        currency=price.unit_amount.currency,
    )


def features_to_wire(plan: Plan) -> list[FeatureOut]:
    return [FeatureOut(code=each.code, name=each.name, value=each.value) for each in plan.features]


def limits_to_wire(plan: Plan) -> list[LimitOut]:
    return [LimitOut(code=each.code, name=each.name, included=each.included) for each in plan.limits]


def plan_to_wire(plan: Plan) -> PlanOut:
    return PlanOut(
        id=plan.id,
        code=plan.code,
        version=plan.version,
        name=plan.name,
        description=plan.description,
        status=plan.status.value,
        prices=[price_to_wire(price) for price in plan.prices],
        features=features_to_wire(plan),
        limits=limits_to_wire(plan),
        trial_days=plan.trial_days,
        metadata=dict(plan.metadata),
        created_at=plan.created_at,
    )


def product_to_wire(product: Product) -> ProductOut:
    return ProductOut(
        id=product.id,
        code=product.code,
        name=product.name,
        description=product.description,
        prices=[ProductPriceOut(amount=each.minor, currency=each.currency) for each in product.prices],
        access_days=product.access_days,
        metadata=dict(product.metadata),
        created_at=product.created_at,
    )


def tax_rate_to_wire(rate: TaxRate) -> TaxRateOut:
    return TaxRateOut(name=rate.name, percent=rate.percent, country=rate.country, legal_note=rate.legal_note)
