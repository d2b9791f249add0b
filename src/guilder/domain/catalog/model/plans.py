"""What is sold: plans in versions, with how they are billed, and one-off products."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.domain.catalog.model.meters import Charge
from guilder.domain.catalog.model.prices import NewPrice, Price
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval


class PlanStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    code: str
    name: str
    value: str = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of something a plan includes in a period; None is without limit.

    `meter` is the code of the one that counts its use; without one, nothing is counted. What is beyond a hard limit is
    not allowed; beyond another one it is overage, and a charge may price it.
    """

    code: str
    name: str
    included: int | None
    meter: str = ""
    is_hard: bool = False


class Alignment(StrEnum):
    """Which local date a full period begins on."""

    ANNIVERSARY = "anniversary"  # the date it started on
    CALENDAR = "calendar"  # Monday, or the first of the month, quarter, half-year or year
    BILLING_DAY = "billing_day"  # a fixed day of the month, the last one where the month is shorter


class Basis(StrEnum):
    """By what a part of a period is measured against the full period that holds it."""

    SECOND = "second"  # its real length
    DAY = "day"  # its local dates
    DAY_30 = "day_30"  # its local dates, every month counting 30
    NONE = "none"  # a part costs nothing and gives nothing back
    DIFFERENCE = "difference"  # a part counts as the whole: the price difference in full


class AnchorRule(StrEnum):
    """What becomes of the anchor when the interval changes."""

    RESET = "reset"  # a new full period begins with the change
    KEEP = "keep"  # the new period is a stub, up to the old anniversary


class TrialEnd(StrEnum):
    """What happens when a trial ends and there is no payment method."""

    INVOICE = "invoice"
    CANCEL = "cancel"
    PAUSE = "pause"


class PaidTime(StrEnum):
    """What becomes of paid time that a pause cuts off."""

    KEEP = "keep"  # it is there again after the pause
    CREDIT = "credit"  # it is given back as credit


class Unused(StrEnum):
    """What becomes of paid time that a cancellation cuts off."""

    NOTHING = "nothing"
    CREDIT = "credit"
    REFUND = "refund"


class Collection(StrEnum):
    CHARGE = "charge"  # at once, by saved method or link
    SEND = "send"  # sent with payment terms; nobody is charged


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """How a plan is billed: every choice of the billing policies that a plan can make. All of it goes into the terms."""

    alignment: Alignment = Alignment.ANNIVERSARY
    billing_day: int | None = None  # 1 to 31, with `billing_day` alone
    in_arrears: bool = False  # the fee; use is always billed in arrears
    basis: Basis = Basis.SECOND
    interval_change: AnchorRule = AnchorRule.RESET
    trial_end: TrialEnd = TrialEnd.INVOICE
    trial_needs_method: bool = False
    paused_time: PaidTime = PaidTime.KEEP
    unused_on_cancel: Unused = Unused.NOTHING
    usage_interval: Interval | None = None  # None: with the fee
    grace_days: int = 0  # how long use is waited for, before it is billed
    collection: Collection = Collection.CHARGE
    net_days: int | None = None  # None: the issuer's
    tax_category: str = ""
    is_tax_inclusive: bool = False
    commitments: tuple[Money, ...] = ()  # the least that a full period comes to before tax, by currency
    progressive: tuple[Money, ...] = ()  # use is billed as soon as it comes to one of these, ascending


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One version of a plan. A price change makes a new version; subscriptions stay on theirs until moved."""

    tenant_id: TenantId
    id: UUID
    code: str
    version: int
    name: str
    description: str
    status: PlanStatus
    prices: tuple[Price, ...]
    features: tuple[Feature, ...]
    limits: tuple[Limit, ...]
    trial_days: int
    created_at: datetime
    billing: Billing = Billing()
    charges: tuple[Charge, ...] = ()
    is_add_on: bool = False  # can be had beside another plan only
    metadata: Mapping[str, str] = field(default_factory=dict)

    def price_for(self, cycle: str, currency: str | None) -> Price | None:
        """Return the price for a cycle, in a currency or in the plan's first one."""
        fitting = [p for p in self.prices if p.cycle == cycle and currency in (None, p.unit_amount.currency)]
        return fitting[0] if fitting else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something sold once, such as content; buying it grants access, for ever or for `access_days`."""

    tenant_id: TenantId
    id: UUID
    code: str
    name: str
    description: str
    prices: tuple[Money, ...]
    access_days: int | None
    tax_category: str = ""
    is_tax_inclusive: bool = False
    created_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContent:
    """All of a plan that a version fixes."""

    name: str
    description: str
    prices: tuple[NewPrice, ...]
    features: tuple[Feature, ...]
    limits: tuple[Limit, ...]
    trial_days: int
    billing: Billing = Billing()
    charges: tuple[Charge, ...] = ()
    is_add_on: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProduct:
    code: str
    name: str
    description: str
    prices: tuple[Money, ...]
    access_days: int | None
    tax_category: str = ""
    is_tax_inclusive: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
