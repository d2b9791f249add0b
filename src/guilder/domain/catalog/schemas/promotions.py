"""Promo codes on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.catalog.model import Duration, NewPromoCode, PromoCode, PromoStatus
from guilder.domain.catalog.rules.checking import PERIODS_MAX
from guilder.domain.catalog.schemas.fields import PlanRef, PromoCodeRef
from guilder.kernel.money import Money
from guilder.platform.http.fields import (
    CurrencyCode,
    Exact,
    IdOrCode,
    In,
    Instant,
    Metadata,
    Name,
    Out,
    PositiveAmount,
    Shape,
)

PLANS_MAX = 100
REDEMPTIONS_MAX = 1_000_000_000

# What people type: capitals make no difference.
PromoCodeText = Annotated[
    str, Shape(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "up to 64 letters, digits and _ . -, a letter or digit first")
]
PlanName = Annotated[UUID | str, IdOrCode("plan")]
Redemptions = Annotated[int, Field(ge=1, le=REDEMPTIONS_MAX)]


class PromoCodeIn(In):
    """Takes off either `percent` (text: "12.5") or `amount` with its `currency`, of each invoice that it is good for."""

    code: PromoCodeText
    name: Name
    percent: Exact | None = None
    amount: PositiveAmount | None = None
    currency: CurrencyCode | None = None
    duration: Duration = Duration.ONCE
    periods: Annotated[int, Field(ge=1, le=PERIODS_MAX)] | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    redemptions_max: Redemptions | None = None
    redemptions_max_per_customer: Redemptions | None = None
    plan_ids: Annotated[list[PlanName], Field(max_length=PLANS_MAX)] = []
    first_purchase_only: bool = False
    metadata: Metadata = {}

    def to_model(self, *, plan_ids: tuple[UUID, ...]) -> NewPromoCode:
        return NewPromoCode(
            code=self.code,
            name=self.name,
            percent=self.percent,
            amount=None if self.amount is None or self.currency is None else Money(self.amount, self.currency),
            duration=self.duration,
            periods=self.periods,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            redemptions_max=self.redemptions_max,
            redemptions_max_per_customer=self.redemptions_max_per_customer,
            plan_ids=plan_ids,
            first_purchase_only=self.first_purchase_only,
            metadata=self.metadata,
        )


class PromoCodeOut(Out):
    id: PromoCodeRef
    code: str
    name: str
    status: PromoStatus
    percent: Exact | None
    amount: int | None
    currency: str | None
    duration: Duration
    periods: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    redemptions: int
    redemptions_max: int | None
    redemptions_max_per_customer: int | None
    plan_ids: list[PlanRef]
    first_purchase_only: bool
    metadata: dict[str, str]
    created_at: datetime


def promo_code_to_wire(promo: PromoCode) -> PromoCodeOut:
    amount = promo.amount
    said = {"amount": amount and amount.minor, "currency": amount and amount.currency}
    same = {name: getattr(promo, name) for name in PromoCodeOut.model_fields if name not in said}
    return PromoCodeOut.model_validate({**same, **said, "plan_ids": list(promo.plan_ids)})
