"""What HTTP says of subscriptions. What it hears is an order's (see orders)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.kernel.period import Unit
from guilder.platform.http.fields import IdOf, Out

SubscriptionRef = Annotated[UUID, IdOf("sub")]
CustomerRef = Annotated[UUID, IdOf("cus")]
PlanRef = Annotated[UUID, IdOf("plan")]
MethodRef = Annotated[UUID, IdOf("pm")]


class PendingChangeOut(Out):
    """What the subscription will be from `takes_effect_at` on."""

    plan_id: PlanRef
    plan_code: str
    billing_cycle: str
    quantity: int
    unit_amount: int
    takes_effect_at: datetime


class SubscriptionOut(Out):
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
    pending_change: PendingChangeOut | None
    time_zone: str
    metadata: dict[str, str]
    created_at: datetime


def to_wire(subscription: Subscription) -> SubscriptionOut:
    terms = subscription.terms
    return SubscriptionOut(
        id=subscription.id,
        organization_id=subscription.organization_id,
        customer_id=subscription.customer_id,
        plan_id=terms.plan_id,
        plan_code=terms.plan_code,
        plan_version=terms.plan_version,
        billing_cycle=terms.billing_cycle,
        interval=terms.interval.unit,
        interval_count=terms.interval.count,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount.minor,
        amount=terms.amount.minor,
        currency=terms.unit_amount.currency,
        status=subscription.status,
        current_period_start=subscription.current_period.starts_at,
        current_period_end=subscription.current_period.ends_at,
        trial_ends_at=subscription.trial_ends_at,
        cancel_at_period_end=subscription.cancel_at_period_end,
        canceled_at=subscription.canceled_at,
        ended_at=subscription.ended_at,
        payment_method_id=subscription.payment_method_id,
        pending_change=_pending(subscription, subscription.pending_terms),
        time_zone=subscription.time_zone,
        metadata=dict(subscription.metadata),
        created_at=subscription.created_at,
    )


def _pending(subscription: Subscription, terms: Terms | None) -> PendingChangeOut | None:
    if terms is None:
        return None
    return PendingChangeOut(
        plan_id=terms.plan_id,
        plan_code=terms.plan_code,
        billing_cycle=terms.billing_cycle,
        quantity=terms.quantity,
        unit_amount=terms.unit_amount.minor,
        takes_effect_at=subscription.current_period.ends_at,
    )
