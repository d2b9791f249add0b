"""How a plan is billed, on the wire."""

from typing import Annotated

from pydantic import Field

from guilder.domain.catalog.model import Alignment, AnchorRule, Basis, Billing, Collection, PaidTime, TrialEnd, Unused
from guilder.domain.catalog.rules.checking import GRACE_DAYS_MAX, NET_DAYS_MAX, THRESHOLDS_MAX
from guilder.domain.catalog.schemas.fields import AmountIn, AmountOut, Category, amount_to_wire
from guilder.kernel.period import Interval, Unit
from guilder.platform.http.fields import In, Out

COMMITMENTS_MAX = 50


class IntervalIn(In):
    interval: Unit
    interval_count: Annotated[int, Field(ge=1, le=1000)] = 1

    def to_model(self) -> Interval:
        return Interval(self.interval, self.interval_count)


class BillingIn(In):
    """How the plan is billed. Each choice has the default of the billing policies."""

    alignment: Alignment = Alignment.ANNIVERSARY
    billing_day: Annotated[int, Field(ge=1, le=31)] | None = None
    in_arrears: bool = False
    basis: Basis = Basis.SECOND
    interval_change: AnchorRule = AnchorRule.RESET
    trial_end: TrialEnd = TrialEnd.INVOICE
    trial_needs_method: bool = False
    paused_time: PaidTime = PaidTime.KEEP
    unused_on_cancel: Unused = Unused.NOTHING
    usage_interval: IntervalIn | None = None
    grace_days: Annotated[int, Field(ge=0, le=GRACE_DAYS_MAX)] = 0
    collection: Collection = Collection.CHARGE
    net_days: Annotated[int, Field(ge=0, le=NET_DAYS_MAX)] | None = None
    tax_category: Category = ""
    is_tax_inclusive: bool = False
    commitments: Annotated[list[AmountIn], Field(max_length=COMMITMENTS_MAX)] = []
    progressive: Annotated[list[AmountIn], Field(max_length=THRESHOLDS_MAX)] = []

    def to_model(self) -> Billing:
        same = {name: getattr(self, name) for name in BillingIn.model_fields if name not in _CONVERTED}
        return Billing(
            **same,
            usage_interval=None if self.usage_interval is None else self.usage_interval.to_model(),
            commitments=tuple(each.to_model() for each in self.commitments),
            progressive=tuple(each.to_model() for each in self.progressive),
        )


_CONVERTED = frozenset({"usage_interval", "commitments", "progressive"})


class IntervalOut(Out):
    interval: Unit
    interval_count: int


class BillingOut(Out):
    alignment: Alignment
    billing_day: int | None
    in_arrears: bool
    basis: Basis
    interval_change: AnchorRule
    trial_end: TrialEnd
    trial_needs_method: bool
    paused_time: PaidTime
    unused_on_cancel: Unused
    usage_interval: IntervalOut | None
    grace_days: int
    collection: Collection
    net_days: int | None
    tax_category: str
    is_tax_inclusive: bool
    commitments: list[AmountOut]
    progressive: list[AmountOut]


def billing_to_wire(billing: Billing) -> BillingOut:
    every = billing.usage_interval
    same = {name: getattr(billing, name) for name in BillingOut.model_fields if name not in _CONVERTED}
    return BillingOut(
        **same,
        usage_interval=None if every is None else IntervalOut(interval=every.unit, interval_count=every.count),
        commitments=[amount_to_wire(each) for each in billing.commitments],
        progressive=[amount_to_wire(each) for each in billing.progressive],
    )
