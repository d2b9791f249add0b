"""What customers may use, and the facts that decide it."""

from typing import Any, TypeVar
from uuid import UUID

from guilder.domain.customers.model import Customer
from guilder.domain.dunning.events import DunningEvent
from guilder.domain.entitlements.model import Account, Block, Grant, GrantKind, Revocation
from guilder.domain.orders.events import OrderCompleted
from guilder.domain.subscriptions.events import SubscriptionEvent
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import ids
from guilder.kernel.event import Event, Message
from guilder.kernel.ids import CustomerId, TenantId
from tests.support.builders.identity import NOW

TENANT = TenantId(UUID(int=1))
CUSTOMER = CustomerId(UUID(int=2))

E = TypeVar("E", bound=Event)
S = TypeVar("S", bound=SubscriptionEvent)
D = TypeVar("D", bound=DunningEvent)


def a_grant(**over: Any) -> Grant:
    """A plan's grant without an end; nothing is stored."""
    said = {
        "tenant_id": TENANT,
        "customer_id": CUSTOMER,
        "kind": GrantKind.SUBSCRIPTION,
        "source_id": UUID(int=3),
        "code": "pro",
        "valid_from": NOW,
        "valid_until": None,
    }
    return Grant(**{**said, **over})


def a_revocation(**over: Any) -> Revocation:
    said = {
        "tenant_id": TENANT,
        "customer_id": CUSTOMER,
        "refund_id": UUID(int=4),
        "invoice_id": UUID(int=5),
        "subscription_id": None,
        "since": NOW,
        "until": None,
    }
    return Revocation(**{**said, **over})


def a_block(**over: Any) -> Block:
    return Block(**{"cause_id": UUID(int=6), "reason": "unpaid", "since": NOW, **over})


def an_account(*grants: Grant, **over: Any) -> Account:
    said = {"tenant_id": TENANT, "customer_id": CUSTOMER, "organization_id": "org_1", "grants": grants}
    return Account(**{**said, **over})


def heard(event: E) -> Message[E]:
    """A message as a handler is given it."""
    return Message(id=ids.new(NOW), event=event, occurred_at=NOW, actor="test")


def about(kind: type[S], subscription: Subscription, **more: Any) -> Message[S]:
    """A fact of a subscription, as it was heard."""
    return heard(
        kind(
            tenant_id=subscription.tenant_id,
            subscription_id=subscription.id,
            customer_id=subscription.customer_id,
            organization_id=subscription.organization_id,
            plan_id=subscription.terms.plan_id,
            plan_code=subscription.terms.plan_code,
            plan_version=subscription.terms.plan_version,
            **more,
        )
    )


def an_order_completed(customer: Customer, **over: Any) -> Message[OrderCompleted]:
    said = {
        "tenant_id": customer.tenant_id,
        "order_id": ids.new(NOW),
        "customer_id": customer.id,
        "kind": "buy",
        "completed_at": NOW,
        "product_id": ids.new(NOW),
        "product_code": "film",
        "access_until": None,
        "invoice_id": ids.new(NOW),
    }
    return heard(OrderCompleted(**{**said, **over}))


def of_case(kind: type[D], customer: Customer, **over: Any) -> Message[D]:
    """A fact of a dunning case, as it was heard."""
    said = {
        "tenant_id": customer.tenant_id,
        "case_id": ids.new(NOW),
        "customer_id": customer.id,
        "invoice_id": ids.new(NOW),
        "subscription_id": None,
    }
    return heard(kind(**{**said, **over}))
