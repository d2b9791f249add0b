"""What subscriptions announces."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEvent(Event):
    topic: ClassVar = "subscriptions.events"

    subscription_id: UUID
    customer_id: CustomerId
    organization_id: str
    plan_id: UUID
    plan_code: str
    plan_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCreated(SubscriptionEvent):
    name: ClassVar = "subscriptions.subscription.created"

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionActivated(SubscriptionEvent):
    """It may be used from now on: paid for, free, or in its trial."""

    name: ClassVar = "subscriptions.subscription.activated"

    status: str
    period_starts_at: datetime
    period_ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRenewed(SubscriptionEvent):
    name: ClassVar = "subscriptions.subscription.renewed"

    period_starts_at: datetime
    period_ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionMethodChanged(SubscriptionEvent):
    """Another payment method is charged for it from now on."""

    name: ClassVar = "subscriptions.subscription.method_changed"

    payment_method_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChanged(SubscriptionEvent):
    """Its terms are other ones now."""

    name: ClassVar = "subscriptions.subscription.changed"

    quantity: int
    billing_cycle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChangeScheduled(SubscriptionEvent):
    """Its terms will be others from the next period on."""

    name: ClassVar = "subscriptions.subscription.change_scheduled"

    takes_effect_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChangeRevoked(SubscriptionEvent):
    """What was to change is not going to: its terms stay as they are."""

    name: ClassVar = "subscriptions.subscription.change_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCancelScheduled(SubscriptionEvent):
    """Its owner opted out of renewal: it runs to the end of the paid period."""

    name: ClassVar = "subscriptions.subscription.cancel_scheduled"

    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRenewalResumed(SubscriptionEvent):
    """Its owner opted in again before the end."""

    name: ClassVar = "subscriptions.subscription.renewal_resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPastDue(SubscriptionEvent):
    name: ClassVar = "subscriptions.subscription.past_due"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSuspended(SubscriptionEvent):
    name: ClassVar = "subscriptions.subscription.suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRecovered(SubscriptionEvent):
    """What was owed is paid: active again."""

    name: ClassVar = "subscriptions.subscription.recovered"

    period_starts_at: datetime
    period_ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPauseScheduled(SubscriptionEvent):
    """It pauses when the present period ends."""

    name: ClassVar = "subscriptions.subscription.pause_scheduled"

    pauses_at: datetime
    resumes_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPaused(SubscriptionEvent):
    """Nothing is billed, and nothing may be used, until it is resumed."""

    name: ClassVar = "subscriptions.subscription.paused"

    paused_at: datetime
    resumes_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionResumed(SubscriptionEvent):
    name: ClassVar = "subscriptions.subscription.resumed"

    period_starts_at: datetime
    period_ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionTrialExtended(SubscriptionEvent):
    name: ClassVar = "subscriptions.trial.extended"

    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEnded(SubscriptionEvent):
    name: ClassVar = "subscriptions.subscription.ended"

    status: str
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnding(SubscriptionEvent):
    """The trial ends in `days_left` days."""

    name: ClassVar = "subscriptions.trial.ending"

    days_left: int
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRenewalUpcoming(SubscriptionEvent):
    """It renews by itself in `days_left` days."""

    name: ClassVar = "subscriptions.renewal.upcoming"

    days_left: int
    renews_at: datetime
