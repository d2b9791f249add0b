"""Subscribing: customer, plan, price, trial, first invoice and payment link, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import PlanStatus
from guilder.domain.customers.model import Customer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import drafts
from guilder.domain.orders.model import Answer, OrderKind
from guilder.domain.orders.rules import terms as rules
from guilder.domain.orders.service.placing import Asked, check_method, held_customer, new_order, place
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import NewSubscription, Status, Subscription, Terms
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

# A subscription that is to be paid by link, and never is, waits this long.
ABANDON_AFTER = timedelta(days=7)


class AlreadySubscribed(Conflict):
    """This organization has a subscription to this plan already."""

    code = "already_subscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A subscription about to begin: whose, on which terms, after how long a trial, paid with what."""

    customer: Customer
    terms: Terms
    trial_days: int
    payment_method_id: UUID | None


async def subscribe(
    tx: Tx,
    *,
    organization_id: str,
    plan: UUID | str,
    asked: Asked,
    billing_cycle: str | None = None,
    currency: str | None = None,
    payment_method_id: UUID | None = None,
    quantity: int = 1,
    trial_days: int | None = None,
    now: datetime,
) -> Answer:
    """Give an organization a plan: in trial, active where nothing is to be paid, else processing until it is paid.

    :raises NotFound: no such customer or plan; names the field
    :raises PlanIsArchived: the plan is not sold any more
    :raises NoSuchPrice: it is not sold for that cycle and currency; names the field
    :raises QuantityTooLarge: the plan says how many may be had
    :raises MethodNotUsable: the payment method is not this customer's, or cannot be charged
    :raises AlreadySubscribed: it has this plan, or is about to
    """
    customer = await held_customer(tx, text=organization_id, only=asked.only, name="organization_id")
    chosen = await catalog.plan(tx, plan=plan)
    if chosen.status is PlanStatus.ARCHIVED:
        raise catalog.PlanIsArchived(field="plan_id")
    price = rules.price_of(chosen, cycle=billing_cycle, currency=currency)
    terms = rules.agreed(chosen, price, quantity=quantity)
    had = await subscriptions.of_customer(tx, customer_id=customer.id)
    _refuse_twice(had, terms)
    await check_method(tx, customer_id=customer.id, payment_method_id=payment_method_id)
    beginning = Beginning(
        customer=customer,
        terms=terms,
        trial_days=rules.trial_days(chosen, asked=trial_days, had=had),
        payment_method_id=payment_method_id,
    )
    return await begin(tx, beginning, asked=asked, kind=OrderKind.SUBSCRIBE, now=now)


async def begin(tx: Tx, beginning: Beginning, *, asked: Asked, kind: OrderKind, now: datetime) -> Answer:
    """Make the subscription, bill its first period, and write the order down."""
    customer, terms = beginning.customer, beginning.terms
    order_id = ids.new(now)
    [subscription] = await subscriptions.create(
        tx,
        orders=[
            NewSubscription(
                tenant_id=customer.tenant_id,
                customer_id=customer.id,
                organization_id=customer.organization_id,
                terms=terms,
                starts_at=now,
                time_zone=customer.time_zone,
                trial_days=beginning.trial_days,
                payment_method_id=beginning.payment_method_id,
                metadata=asked.metadata,
            )
        ],
        now=now,
    )
    invoice = await _first_invoice(tx, subscription, order_id=order_id, now=now)
    order = new_order(
        Ref(customer.tenant_id, order_id),
        customer_id=customer.id,
        kind=kind,
        currency=terms.unit_amount.currency,
        metadata=asked.metadata,
        now=now,
    )
    return await place(
        tx,
        order,
        invoice=invoice,
        subscription=subscription,
        base_url=asked.base_url,
        # Paid after its first period, it would be owing periods in which nobody had access.
        abandon_at=min(now + ABANDON_AFTER, subscription.current_period.ends_at),
        now=now,
    )


async def _first_invoice(tx: Tx, subscription: Subscription, *, order_id: UUID, now: datetime) -> Invoice | None:
    if subscription.status is Status.TRIALING:
        return None
    draft = drafts.first_period(subscription, order_id=order_id, issued_at=now)
    via = Via.SAVED if subscription.payment_method_id else Via.EITHER
    [invoice] = await invoicing.finalize(tx, drafts=[draft], via=via, now=now)
    return invoice


def _refuse_twice(had: Sequence[Subscription], terms: Terms) -> None:
    live = rules.live(had, terms.plan_id)
    if live is not None:
        name = ids.to_text("sub", live.id)
        raise AlreadySubscribed(f"{name} has the plan {terms.plan_code} and is {live.status.value}", field="plan_id")
