"""What HTTP says of subscriptions. What it hears is an order's (see orders)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from guilder.domain.catalog.model import (
    Alignment,
    AnchorRule,
    Basis,
    Billing,
    Collection,
    PaidTime,
    TrialEnd,
    Unused,
)
from guilder.domain.subscriptions.model import RenewalReminders, Status, Subscription, Terms
from guilder.domain.subscriptions.rules.renewals import DAYS_MAX
from guilder.kernel.ids import TenantId
from guilder.kernel.period import Period, Unit
from guilder.platform.http.fields import IdOf, In, Out

SubscriptionRef = Annotated[UUID, IdOf("sub")]
CustomerRef = Annotated[UUID, IdOf("cus")]
PlanRef = Annotated[UUID, IdOf("plan")]
MethodRef = Annotated[UUID, IdOf("pm")]
AccountRef = Annotated[UUID, IdOf("gwa")]


class PendingChangeOut(Out):
    """What the subscription will be from `takes_effect_at` on."""

    plan_id: PlanRef
    plan_code: str
    billing_cycle: str
    quantity: int
    unit_amount: int
    takes_effect_at: datetime


class PeriodOut(Out):
    starts_at: datetime
    ends_at: datetime


class PauseOut(Out):
    """A pause, or the plan of one: then `paused_at` is null, and it begins when the current period ends."""

    paused_at: datetime | None
    resumes_at: datetime | None


class UsageIntervalOut(Out):
    interval: Unit
    interval_count: int


class AgreedBillingOut(Out):
    """How it is billed, as its plan had it when it was agreed to."""

    alignment: Alignment
    billing_day: int | None
    in_arrears: bool
    basis: Basis
    interval_change: AnchorRule
    trial_end: TrialEnd
    paused_time: PaidTime
    unused_on_cancel: Unused
    usage_interval: UsageIntervalOut | None
    grace_days: int
    collection: Collection
    net_days: int | None


class SubscriptionOut(Out):
    """A subscription. `full_period` is there where the current period is a stub: the full one that holds it."""

    id: SubscriptionRef
    organization_id: str
    customer_id: CustomerRef
    plan_id: PlanRef
    plan_code: str
    plan_version: int
    billing_cycle: str
    interval: Unit
    interval_count: int
    quantity: int
    unit_amount: int
    amount: int
    currency: str
    status: Status
    current_period_start: datetime
    current_period_end: datetime
    trial_ends_at: datetime | None
    cancel_at_period_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    payment_method_id: MethodRef | None
    starts_at: datetime | None
    full_period: PeriodOut | None
    cancel_at: datetime | None
    pause: PauseOut | None
    add_on_to: SubscriptionRef | None
    net_days: int | None
    billed_by: AccountRef | None
    provider_subscription: str | None
    billing: AgreedBillingOut
    pending_change: PendingChangeOut | None
    time_zone: str
    metadata: dict[str, str]
    created_at: datetime


def subscription_to_wire(subscription: Subscription) -> SubscriptionOut:
    return SubscriptionOut(**said_of(subscription))


def said_of(subscription: Subscription) -> dict[str, Any]:
    """Return what is said of a subscription, by field: for an answer that says more beside it."""
    terms = subscription.terms
    return {
        "id": subscription.id,
        "organization_id": subscription.organization_id,
        "customer_id": subscription.customer_id,
        "plan_id": terms.plan_id,
        "plan_code": terms.plan_code,
        "plan_version": terms.plan_version,
        "billing_cycle": terms.billing_cycle,
        "interval": terms.interval.unit,
        "interval_count": terms.interval.count,
        "quantity": terms.quantity,
        "unit_amount": terms.unit_amount.minor,
        "amount": terms.amount.minor,
        "currency": terms.unit_amount.currency,
        "status": subscription.status,
        "current_period_start": subscription.current_period.starts_at,
        "current_period_end": subscription.current_period.ends_at,
        "trial_ends_at": subscription.trial_ends_at,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": subscription.canceled_at,
        "ended_at": subscription.ended_at,
        "payment_method_id": subscription.payment_method_id,
        "starts_at": subscription.starts_at,
        "full_period": _period(subscription.full_period),
        "cancel_at": subscription.cancel_at,
        "pause": _pause(subscription),
        "add_on_to": subscription.parent_id,
        "net_days": subscription.terms_days,
        "billed_by": subscription.billed_by,
        "provider_subscription": subscription.provider_ref or None,
        "billing": _billing(terms.billing),
        "pending_change": _pending(subscription, subscription.pending_terms),
        "time_zone": subscription.time_zone,
        "metadata": dict(subscription.metadata),
        "created_at": subscription.created_at,
    }


def _pending(subscription: Subscription, terms: Terms | None) -> PendingChangeOut | None:
    if terms is None:
        return None
    return PendingChangeOut(
        plan_id=terms.plan_id,
        plan_code=terms.plan_code,
        billing_cycle=terms.billing_cycle,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount.minor,
        takes_effect_at=subscription.pending_at or subscription.current_period.ends_at,
    )


def _period(period: Period | None) -> PeriodOut | None:
    return PeriodOut(starts_at=period.starts_at, ends_at=period.ends_at) if period else None


def _pause(subscription: Subscription) -> PauseOut | None:
    if not subscription.pause_at_period_end and subscription.status is not Status.PAUSED:
        return None
    return PauseOut(paused_at=subscription.paused_at, resumes_at=subscription.resume_at)


def _billing(billing: Billing) -> AgreedBillingOut:
    every = billing.usage_interval
    return AgreedBillingOut(
        alignment=billing.alignment,
        billing_day=billing.billing_day,
        in_arrears=billing.in_arrears,
        basis=billing.basis,
        interval_change=billing.interval_change,
        trial_end=billing.trial_end,
        paused_time=billing.paused_time,
        unused_on_cancel=billing.unused_on_cancel,
        usage_interval=None if every is None else UsageIntervalOut(interval=every.unit, interval_count=every.count),
        grace_days=billing.grace_days,
        collection=billing.collection,
        net_days=billing.net_days,
    )


# Refused by the rule, under a code of its own; here it is published.
ReminderDays = Annotated[int, Field(json_schema_extra={"minimum": 0, "maximum": DAYS_MAX})]


class RenewalRemindersIn(In):
    """How many days before a renewal it is announced: `days` in general, `yearly_days` where a period is a year."""

    days: ReminderDays = 0
    yearly_days: ReminderDays = 7

    def to_model(self, tenant_id: TenantId) -> RenewalReminders:
        return RenewalReminders(tenant_id=tenant_id, days=self.days, yearly_days=self.yearly_days)


class RenewalRemindersOut(Out):
    days: int
    yearly_days: int


def reminders_to_wire(reminders: RenewalReminders) -> RenewalRemindersOut:
    return RenewalRemindersOut(days=reminders.days, yearly_days=reminders.yearly_days)
