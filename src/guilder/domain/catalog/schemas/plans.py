"""Plans on the wire."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.catalog.model import Feature, Limit, Plan, PlanContent
from guilder.domain.catalog.rules.checking import CHARGES_MAX
from guilder.domain.catalog.schemas.billing import BillingIn, BillingOut, billing_to_wire
from guilder.domain.catalog.schemas.charges import ChargeIn, ChargeOut, charge_to_wire
from guilder.domain.catalog.schemas.fields import CatalogCode, Description, PlanRef
from guilder.domain.catalog.schemas.prices import PriceIn, PriceOut, price_to_wire
from guilder.platform.http.fields import In, Metadata, Name, Out, Text

PRICES_MAX = 100
FEATURES_MAX = 200


class FeatureIn(In):
    code: CatalogCode
    name: Name
    value: Annotated[str, Text(200)] = "true"


class LimitIn(In):
    """How much is included in a period; null is without limit. `meter` counts its use; `is_hard` allows no overage."""

    code: CatalogCode
    name: Name
    included: Annotated[int, Field(ge=0, le=2**62)] | None
    meter: CatalogCode | None = None
    is_hard: bool = False

    def to_model(self) -> Limit:
        return Limit(
            code=self.code, name=self.name, included=self.included, meter=self.meter or "", is_hard=self.is_hard
        )


class PlanVersionIn(In):
    name: Name
    description: Description = ""
    prices: Annotated[list[PriceIn], Field(min_length=1, max_length=PRICES_MAX)]
    features: Annotated[list[FeatureIn], Field(max_length=FEATURES_MAX)] = []
    limits: Annotated[list[LimitIn], Field(max_length=FEATURES_MAX)] = []
    trial_days: Annotated[int, Field(ge=0, le=3650)] = 0
    billing: BillingIn = BillingIn()
    charges: Annotated[list[ChargeIn], Field(max_length=CHARGES_MAX)] = []
    is_add_on: Annotated[bool, Field(description="Can be had beside another plan only.")] = False
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for field, keys in (
            ("prices", [f"{price.to_model().cycle} in {price.currency}" for price in self.prices]),
            ("features", [feature.code for feature in self.features]),
            ("limits", [limit.code for limit in self.limits]),
            ("charges", [charge.code for charge in self.charges]),
        ):
            twice = [key for key, count in Counter(keys).items() if count > 1]
            if twice:
                raise PydanticCustomError("listed_twice", "{twice} is there twice", {"field": field, "twice": twice[0]})
        return self

    def to_model(self) -> PlanContent:
        return PlanContent(
            name=self.name,
            description=self.description,
            prices=tuple(price.to_model() for price in self.prices),
            features=tuple(Feature(code=f.code, name=f.name, value=f.value) for f in self.features),
            limits=tuple(each.to_model() for each in self.limits),
            trial_days=self.trial_days,
            billing=self.billing.to_model(),
            charges=tuple(charge.to_model() for charge in self.charges),
            is_add_on=self.is_add_on,
            metadata=self.metadata,
        )


class PlanIn(PlanVersionIn):
    code: CatalogCode


class FeatureOut(Out):
    code: str
    name: str
    value: str


class LimitOut(Out):
    code: str
    name: str
    included: int | None
    meter: str | None
    is_hard: bool


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
    billing: BillingOut
    charges: list[ChargeOut]
    is_add_on: bool
    metadata: dict[str, str]
    created_at: datetime


def features_to_wire(plan: Plan) -> list[FeatureOut]:
    return [FeatureOut(code=each.code, name=each.name, value=each.value) for each in plan.features]


def limits_to_wire(plan: Plan) -> list[LimitOut]:
    return [
        LimitOut(code=each.code, name=each.name, included=each.included, meter=each.meter or None, is_hard=each.is_hard)
        for each in plan.limits
    ]


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
        billing=billing_to_wire(plan.billing),
        charges=[charge_to_wire(charge) for charge in plan.charges],
        is_add_on=plan.is_add_on,
        metadata=dict(plan.metadata),
        created_at=plan.created_at,
    )
