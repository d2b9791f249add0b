"""Subscriptions."""

from typing import Any

from guilder.domain.catalog.model import Plan
from guilder.domain.customers.model import Customer
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import NewSubscription, Status, Subscription, Terms
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW


def terms_of(plan: Plan, **over: Any) -> Terms:
    """Agree to a plan's first price."""
    price = plan.prices[0]
    said = {
        "plan_id": plan.id,
        "plan_code": plan.code,
        "plan_version": plan.version,
        "plan_name": plan.name,
        "billing_cycle": price.cycle,
        "interval": price.interval,
        "unit_amount": price.unit_amount,
    }
    return Terms(**{**said, **over})


async def a_subscription(tx: Tx, customer: Customer, plan: Plan, **over: Any) -> Subscription:
    """Subscribe a customer to a plan: it waits for its first payment, unless `is_active`."""
    now, is_active = over.pop("now", NOW), over.pop("is_active", False)
    said = {
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "organization_id": customer.organization_id,
        "terms": terms_of(plan),
        "starts_at": now,
        "time_zone": customer.time_zone,
    }
    [made] = await subscriptions.create(tx, orders=[NewSubscription(**{**said, **over})], now=now)
    if is_active and made.status is Status.PROCESSING:
        [made] = await subscriptions.activate(tx, refs=[made.ref], now=now)
    return made
