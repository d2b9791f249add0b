"""Who has which plan, and when its periods run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Period


class Status(StrEnum):
    PROCESSING = "processing"  # asked for; its first payment is not there yet
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # a payment failed and is being tried again; periods run on
    SUSPENDED = "suspended"  # every try failed; nothing more is billed until it is repaid
    CANCELED = "canceled"  # ended after it had begun
    EXPIRED = "expired"  # never paid for, or its last period ran out after opting out


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed: plan version, price, quantity. Stored whole, so that the catalog may move on."""

    plan_id: UUID
    plan_code: str
    plan_version: int
    plan_name: str
    billing_cycle: str
    interval: Interval
    unit_amount: Money
    quantity: int = 1

    @property
    def amount(self) -> Money:
        return self.unit_amount * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
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
    next_due_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """What `create` is asked for."""

    tenant_id: TenantId
    customer_id: CustomerId
    organization_id: str
    terms: Terms
    starts_at: datetime
    time_zone: str
    trial_days: int = 0
    payment_method_id: UUID | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Turn(StrEnum):
    """What a due instant brought."""

    RENEWED = "renewed"  # a full new period began; its fee is owed in advance
    TRIAL_ENDED = "trial_ended"  # the first full period began
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """One step of one subscription over a due instant. A late run gives several, in order."""

    subscription: Subscription
    turn: Turn
    at: datetime
    period: Period | None
    terms: Terms
