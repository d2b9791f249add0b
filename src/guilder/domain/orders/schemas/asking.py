"""What is asked for of subscriptions."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guilder.domain.catalog.model import (
    Alignment,
    AnchorRule,
    Basis,
    ChargeModel,
    Collection,
    MatrixCell,
    PriceModel,
    Tier,
    Unused,
)
from guilder.domain.catalog.rules.checking import CELLS_MAX, CHARGES_MAX, DIMENSIONS_MAX, NET_DAYS_MAX, TIERS_MAX
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.rules.starting import AddOnGrid, PastPeriods
from guilder.domain.orders.rules.terms import AMOUNT_MINOR_MAX, Own
from guilder.domain.orders.schemas.fields import (
    BillingDay,
    Cycle,
    MethodRef,
    OrganizationId,
    PlanName,
    Planned,
    PromoCodeName,
    SubscriptionRef,
    TrialDays,
)
from guilder.domain.subscriptions.model import ChargeOverride
from guilder.platform.http.fields import CurrencyCode, Exact, In, Metadata, NonNegativeAmount, Quantity, Text

ZERO = Decimal(0)
Property = Annotated[str, Text(64)]
UnitAmount = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]


class OwnBillingIn(In):
    """How this one subscription is billed, where it is not as its plan says."""

    alignment: Alignment | None = None
    billing_day: BillingDay | None = None
    basis: Basis | None = None
    interval_change: AnchorRule | None = None
    collection: Collection | None = None
    net_days: Annotated[int, Field(ge=0, le=NET_DAYS_MAX)] | None = None


class OwnTierIn(In):
    up_to: Exact | None
    unit_amount: Exact = ZERO
    flat_amount: Exact = ZERO
    percent: Exact = ZERO

    def to_model(self) -> Tier:
        return Tier(up_to=self.up_to, unit_amount=self.unit_amount, flat_amount=self.flat_amount, percent=self.percent)


class OwnCellIn(In):
    values: Annotated[dict[Property, Property], Field(min_length=1, max_length=DIMENSIONS_MAX)]
    unit_amount: Exact

    def to_model(self) -> MatrixCell:
        return MatrixCell(values=tuple(self.values.items()), unit_amount=self.unit_amount)


class OwnPriceIn(In):
    """A price model of one subscription's own, in its currency: the fields are those of a plan's prices."""

    model: ChargeModel
    unit_amount: Exact = ZERO
    free_units: Exact = ZERO
    package_size: Exact = Decimal(1)
    tiers: Annotated[list[OwnTierIn], Field(max_length=TIERS_MAX)] = []
    percent: Exact = ZERO
    fixed_amount: Exact = ZERO
    free_events: Annotated[int, Field(ge=0, le=2**53)] = 0
    free_value: Exact = ZERO
    dimensions: Annotated[list[Property], Field(max_length=DIMENSIONS_MAX)] = []
    cells: Annotated[list[OwnCellIn], Field(max_length=CELLS_MAX)] = []

    def to_model(self) -> PriceModel:
        return PriceModel(
            model=self.model,
            unit_amount=self.unit_amount,
            free_units=self.free_units,
            package_size=self.package_size,
            tiers=tuple(each.to_model() for each in self.tiers),
            percent=self.percent,
            fixed_amount=self.fixed_amount,
            free_events=self.free_events,
            free_value=self.free_value,
            dimensions=tuple(self.dimensions),
            cells=tuple(each.to_model() for each in self.cells),
        )


class OwnChargeIn(OwnPriceIn):
    """The price that one subscription has for a charge of its plan."""

    charge: Annotated[str, Text(64)]
    cap: NonNegativeAmount | None = None

    def to_override(self) -> ChargeOverride:
        return ChargeOverride(charge=self.charge, model=self.to_model(), cap_minor=self.cap)


class SubscribeIn(In):
    """A plan for an organization; what is not said is as the plan says, and now.

    A trial, a start in the past, prices and ways of billing of its own are for the tenant's own to say.
    """

    organization_id: OrganizationId
    plan_id: PlanName
    billing_cycle: Cycle | None = None
    currency: CurrencyCode | None = None
    payment_method_id: MethodRef | None = None
    quantity: Quantity = 1
    starts_at: Planned | None = None
    past_periods: PastPeriods | None = None
    trial_days: TrialDays | None = None
    trial_ends_at: Planned | None = None
    trial_needs_method: bool | None = None
    promo_code: PromoCodeName | None = None
    parent_id: SubscriptionRef | None = None
    alignment: AddOnGrid | None = None
    billing: OwnBillingIn | None = None
    unit_amount: UnitAmount | None = None
    price_model: OwnPriceIn | None = None
    charges: Annotated[list[OwnChargeIn], Field(max_length=CHARGES_MAX)] = []
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.alignment is not None and self.parent_id is None:
            raise PydanticCustomError(
                "alignment_alone", "is of an add-on: it needs a parent_id", {"field": "alignment"}
            )
        if self.unit_amount is not None and self.price_model is not None:
            raise PydanticCustomError("amount_or_model", "should have either unit_amount or price_model")
        return self

    def to_own(self) -> Own:
        billing = self.billing or OwnBillingIn()
        return Own(
            unit_amount=self.unit_amount,
            model=self.price_model.to_model() if self.price_model else None,
            charges=tuple(each.to_override() for each in self.charges),
            **billing.model_dump(),
        )


class ChangeIn(In):
    """What is to be different; what is not said stays.

    `when`: `now` or `period_end`, or `effective_at` a date; left out, an upgrade is now and a downgrade with the next
    period. `anchor`: what becomes of the billing date where the cycle changes: `reset` it, or `keep` it with a stub.
    A subscription stays on the version of its plan that it was made with until `plan_version` is said to be `latest`,
    which is for the tenant's own to say.
    """

    plan_id: PlanName | None = None
    plan_version: Literal["latest"] | None = None
    billing_cycle: Cycle | None = None
    quantity: Quantity | None = None
    when: When | None = None
    effective_at: Planned | None = None
    anchor: AnchorRule | None = None
    auto_renew: bool | None = None
    payment_method_id: MethodRef | None = None
    metadata: Metadata = {}

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.changes_terms or self.auto_renew is not None or self.payment_method_id is not None):
            raise PydanticCustomError("nothing_to_change", "should say what is to be different")
        return self

    @property
    def changes_terms(self) -> bool:
        said = (self.plan_id, self.plan_version, self.billing_cycle, self.quantity)
        return any(each is not None for each in said)


class CancelIn(In):
    """When it ends: `now`, `period_end` (left out), or `at` a date; and, now, what becomes of what is paid and unused."""

    when: When | None = None
    at: Planned | None = None
    unused: Unused | None = None


class PreviewIn(ChangeIn):
    """A change as it would be asked for, or how it would be canceled."""

    cancel: CancelIn | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        says_change = self.changes_terms or self.auto_renew is not None or self.payment_method_id is not None
        if says_change == (self.cancel is not None):
            raise PydanticCustomError("nothing_to_preview", "should say either what is to be different, or cancel")
        return self


class PauseIn(In):
    when: When = When.NOW
    resume_at: Planned | None = None


class ResumeIn(In):
    at: Planned | None = None


class ExtendTrialIn(In):
    until: Planned


class BillingDayIn(In):
    """A day of the month, or the dates of the calendar, or back to the date on which the present period ends."""

    alignment: Alignment = Alignment.BILLING_DAY
    billing_day: BillingDay | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.alignment is Alignment.BILLING_DAY) != (self.billing_day is not None):
            raise PydanticCustomError(
                "billing_day", "goes with the alignment billing_day, and only with it", {"field": "billing_day"}
            )
        return self


class RedeemIn(In):
    code: PromoCodeName
