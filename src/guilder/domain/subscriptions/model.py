"""Who has which plan, and when its periods run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct, field

from guilder.domain.catalog.model import Billing, PriceModel
from guilder.domain.gateways.model import ElsewhereNews
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Period


class Status(StrEnum):
    SCHEDULED = "scheduled"  # begins on a date that is still to come
    PROCESSING = "processing"  # asked for; its first payment is not there yet
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # a payment failed and is being tried again; periods run on
    PAUSED = "paused"  # at the customer's wish; nothing is billed until it is resumed
    SUSPENDED = "suspended"  # every try failed; nothing more is billed until it is repaid
    CANCELED = "canceled"  # ended after it had begun
    EXPIRED = "expired"  # never paid for, or its last period ran out after opting out


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeOverride:
    """The price that one subscription has for a charge of its plan, in its own currency."""

    charge: str
    model: PriceModel
    cap_minor: int | None = None


class Terms(Struct, frozen=True, kw_only=True):
    """What was agreed: plan version, price, quantity, how it is billed. Stored whole, so that the catalog may move on."""

    plan_id: UUID
    plan_code: str
    plan_version: int
    plan_name: str
    billing_cycle: str
    interval: Interval
    unit_amount: Money
    quantity: int = 1
    model: PriceModel | None = None  # of the fee; None: `unit_amount` for each
    full_amount: Money | None = None  # what `quantity` costs by the model for one full period; None without a model
    billing: Billing = field(default_factory=Billing)
    has_charges: bool = False  # the plan version has charges for use
    overrides: tuple[ChargeOverride, ...] = ()
    trial_days: int | None = None  # the plan's: what a trial takes that changes to it; None: agreed before it was noted

    @property
    def amount(self) -> Money:
        """Return the fee of one full period."""
        return self.full_amount or self.unit_amount * self.quantity

    @property
    def currency(self) -> str:
        return self.unit_amount.currency


class Subscription(Struct, frozen=True, kw_only=True):
    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    organization_id: str
    terms: Terms
    status: Status
    anchor_at: datetime
    time_zone: str
    period_number: int
    current_period: Period
    created_at: datetime
    trial_ends_at: datetime | None = None
    payment_method_id: UUID | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    pending_terms: Terms | None = None
    pending_at: datetime | None = None  # when they take effect; None: with the next period
    next_due_at: datetime | None = None
    starts_at: datetime | None = None  # None: with its creation
    full_period: Period | None = None  # where the current period is a stub: the full one of the grid that holds it
    parent_id: UUID | None = None  # an add-on's: what it belongs to, ends and pauses with
    cancel_at: datetime | None = None  # ends on this date, within a period
    pause_at_period_end: bool = False
    paused_at: datetime | None = None
    resume_at: datetime | None = None
    fee_from: datetime | None = None  # fee in arrears: since when it is in no segment yet
    usage_from: datetime | None = None  # use: since when it is in no segment yet
    terms_days: int | None = None  # sent with so many days to pay; None: as its plan says
    billed_by: UUID | None = None  # the gateway account whose provider bills it itself; nothing is billed here
    provider_ref: str = ""  # what it is called there
    told_at: datetime | None = None  # of when the last news from there is
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


class NewSubscription(Struct, frozen=True, kw_only=True):
    """What `create` is asked for."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    terms: Terms
    starts_at: datetime
    time_zone: str
    trial_days: int = 0
    payment_method_id: UUID | None = None
    trial_ends_at: datetime | None = None  # a trial to a date, instead of by days
    anchor_at: datetime | None = None  # a grid to stand on: its parent's; None: its own start, as its terms align it
    skips_past: bool = False  # one that starts in the past: the periods already over are not billed
    parent_id: UUID | None = None
    terms_days: int | None = None  # sent with so many days to pay; None: as its plan says
    metadata: Mapping[str, str] = field(default_factory=dict)


class Link(Struct, frozen=True, kw_only=True):
    """A subscription that a provider bills itself, as `link` is asked for it."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    terms: Terms
    account_id: UUID
    provider_ref: str
    period: Period
    time_zone: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a provider tells of a subscription that it bills itself, and of when that is."""

    tenant_id: TenantId
    account_id: UUID
    news: ElsewhereNews
    at: datetime


class SegmentKind(StrEnum):
    FEE = "fee"
    USAGE = "usage"


class Segment(Struct, frozen=True, kw_only=True):
    """A stretch of time on the same terms that is billed when it is over: a fee in arrears, or use.

    `full_period` is the period of the fee that holds it (of use that is billed more often: of the usage interval).
    """

    tenant_id: TenantId
    id: UUID
    subscription_id: UUID
    customer_id: CustomerId
    kind: SegmentKind
    period: Period
    full_period: Period
    terms: Terms
    due_at: datetime  # its end; of use, the grace period later; of a change within a period, with that period
    closes_period: bool = True  # it is the last of its fee's period: commitments are settled with it
    billed_at: datetime | None = None
    late_seen: int = 0  # the number of the last late use that it was rated with

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


class Turn(StrEnum):
    """What a due instant brought."""

    STARTED = "started"  # a scheduled one began
    USAGE_CLOSED = "usage_closed"  # use of a part of the period is over; no new fee
    CHANGED = "changed"  # pending terms took effect within a period, on their date
    PAUSED = "paused"
    RESUMED = "resumed"
    RENEWED = "renewed"  # a full new period began; its fee is owed in advance
    TRIAL_ENDED = "trial_ended"  # the first full period began
    ENDED = "ended"


class Rolled(Struct, frozen=True, kw_only=True):
    """One step of one subscription over a due instant. A late run gives several, in order."""

    subscription: Subscription
    turn: Turn
    at: datetime
    period: Period | None  # the one that began, if its fee is owed in advance from here; a stub is priced as its part
    terms: Terms
    before: Subscription | None = None  # as it was before: CHANGED and ENDED within a period are prorated from it
    segments: tuple[Segment, ...] = ()  # what was closed with it


class Changed(Struct, frozen=True, kw_only=True):
    """A subscription before and after something that happened to it now, and what was closed with that."""

    before: Subscription
    after: Subscription
    segments: tuple[Segment, ...] = ()
    began_period: bool = False  # a period began with it, which nobody has billed yet
    gives_back: bool = False  # paid time was cut off, and is not there again later: what to do with it is the caller's
    add_ons: tuple["Changed", ...] = ()  # what happened to its add-ons with it, at the same instant


class Past(Struct, frozen=True, kw_only=True):
    """What a subscription was from `at` on, as far as billing goes: one row of its history, in the order of `number`."""

    tenant_id: TenantId
    subscription_id: UUID
    number: int
    status: Status
    terms: Terms
    anchor_at: datetime
    period_number: int
    current_period: Period
    full_period: Period | None
    trial_ends_at: datetime | None
    fee_from: datetime | None
    usage_from: datetime | None
    paused_at: datetime | None
    ended_at: datetime | None
    at: datetime
    is_first_known: bool = False  # the history began with it: what was before is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalReminders:
    """How many days before a renewal a tenant has it announced; 0 is never. `yearly_days` is for periods of a year."""

    tenant_id: TenantId
    days: int = 0
    yearly_days: int = 7
