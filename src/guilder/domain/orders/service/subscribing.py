"""Subscribing: customer, plan, price, trial, promo code, first invoice and payment link, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Plan, PlanStatus
from guilder.domain.customers.model import Customer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import drafts
from guilder.domain.orders.model import Answer, OrderKind
from guilder.domain.orders.rules import starting
from guilder.domain.orders.rules import terms as rules
from guilder.domain.orders.rules.starting import AddOnGrid, PastPeriods
from guilder.domain.orders.rules.terms import Own
from guilder.domain.orders.service.discounting import redeemed
from guilder.domain.orders.service.placing import (
    Asked,
    check_method,
    current_payment,
    has_default_method,
    held_customer,
    new_order,
    place,
)
from guilder.domain.orders.store import orders as store
from guilder.domain.payments.model import Payment, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import NewSubscription, Status, Subscription, Terms
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx

# A subscription that is to be paid by link, and never is, waits this long.
ABANDON_AFTER = timedelta(days=7)
_UNBILLED = frozenset({Status.SCHEDULED, Status.TRIALING})


class AlreadySubscribed(Conflict):
    """This organization has a subscription to this plan already."""

    code = "already_subscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When a subscription begins, and with which trial; None is now, and as the plan says."""

    starts_at: datetime | None = None
    past_periods: PastPeriods = PastPeriods.BILL
    trial_days: int | None = None
    trial_ends_at: datetime | None = None
    trial_needs_method: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an add-on belongs to, and what its periods are counted from."""

    parent_id: UUID
    grid: AddOnGrid = AddOnGrid.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A subscription about to begin: whose, on which terms, after how long a trial, paid with what."""

    customer: Customer
    terms: Terms
    starts_at: datetime
    trial_days: int = 0
    trial_ends_at: datetime | None = None
    skips_past: bool = False
    anchor_at: datetime | None = None
    parent_id: UUID | None = None
    payment_method_id: UUID | None = None
    promo_code: str | None = None
    is_first_purchase: bool = False


class _Owed(NamedTuple):
    """What a subscription begins with owing, if anything, and the payment that is begun for it."""

    invoice: Invoice | None
    payment: Payment | None


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
    start: Start | None = None,
    own: Own | None = None,
    beside: Beside | None = None,
    promo_code: str | None = None,
    now: datetime,
) -> Answer:
    """Give an organization a plan: in trial, active where nothing is to be paid first, else processing until it is.

    One that starts on a later date is scheduled. One that started earlier is active, and its periods since are billed
    or skipped. What is sent with terms is active at once.

    :raises NotFound: no such customer, plan or parent; names the field
    :raises PlanIsArchived: the plan is not sold any more
    :raises NoSuchPrice: it is not sold for that cycle and currency; names the field
    :raises QuantityTooLarge: the plan says how many may be had
    :raises MethodNotUsable: the payment method is not this customer's, or cannot be charged
    :raises MethodNeeded: its trial needs one
    :raises AlreadySubscribed: it has this plan, or is about to
    :raises Invalid: the start, the trial, the parent, the promo code or what is its own does not fit; names the field
    """
    start = start or Start()
    starts_at = start.starts_at or now
    customer = await held_customer(tx, text=organization_id, only=asked.only, name="organization_id")
    chosen = await catalog.plan(tx, plan=plan)
    if chosen.status is PlanStatus.ARCHIVED:
        raise catalog.PlanIsArchived(field="plan_id")
    price = rules.price_of(chosen, cycle=billing_cycle, currency=currency)
    terms = rules.agreed(chosen, price, quantity=quantity, own=own)
    starting.check_start(starts_at, now=now)
    starting.check_trial(days=start.trial_days, ends_at=start.trial_ends_at, starts_at=starts_at)
    had = await subscriptions.of_customer(tx, customer_id=customer.id)
    _refuse_twice(had, terms, beside)
    parent = await _parent(tx, customer, chosen, beside, currency=terms.currency)
    await check_method(tx, customer_id=customer.id, payment_method_id=payment_method_id)
    trial_days = 0 if start.trial_ends_at else rules.trial_days(chosen, asked=start.trial_days, had=had)
    starting.check_method(
        terms,
        has_trial=bool(trial_days or start.trial_ends_at),
        needs=start.trial_needs_method,
        has_method=payment_method_id is not None
        or await has_default_method(tx, tenant_id=customer.tenant_id, customer_id=customer.id),
    )
    beginning = Beginning(
        customer=customer,
        terms=terms,
        starts_at=starts_at,
        trial_days=trial_days,
        trial_ends_at=start.trial_ends_at,
        skips_past=start.past_periods is PastPeriods.SKIP and starts_at < now,
        anchor_at=parent.anchor_at if parent and beside and beside.grid is AddOnGrid.PARENT else None,
        parent_id=parent.id if parent else None,
        payment_method_id=payment_method_id,
        promo_code=promo_code,
        # Only a code asks.
        is_first_purchase=promo_code is not None
        and starting.is_first_purchase(had, has_bought=await store.has_bought(tx, customer.id)),
    )
    return await begin(tx, beginning, asked=asked, kind=OrderKind.SUBSCRIBE, now=now)


async def begin(tx: Tx, beginning: Beginning, *, asked: Asked, kind: OrderKind, now: datetime) -> Answer:
    """Make the subscription, redeem its promo code, bill its first period, and write the order down."""
    customer, terms = beginning.customer, beginning.terms
    order_id = ids.new(now)
    [subscription] = await subscriptions.create(tx, orders=[_new(beginning, asked)], now=now)
    if beginning.promo_code is not None:
        await redeemed(
            tx,
            subscription,
            code=beginning.promo_code,
            is_first_purchase=beginning.is_first_purchase,
            now=now,
        )
    owed = await _first_invoice(tx, subscription, order_id=order_id, now=now)
    if not _waits(subscription, owed):
        subscription = await subscriptions.one(tx, ref=subscription.ref)
    order = new_order(
        Ref(customer.tenant_id, order_id),
        customer_id=customer.id,
        kind=kind,
        currency=terms.currency,
        metadata=asked.metadata,
        now=now,
    )
    return await place(
        tx,
        order,
        invoice=owed.invoice,
        payment=owed.payment,
        subscription=subscription,
        base_url=asked.base_url,
        # Paid after its first period, it would be owing periods in which nobody had access.
        abandon_at=min(now + ABANDON_AFTER, subscription.current_period.ends_at)
        if subscription.status is Status.PROCESSING
        else None,
        now=now,
    )


def _new(beginning: Beginning, asked: Asked) -> NewSubscription:
    customer = beginning.customer
    return NewSubscription(
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        organization_id=customer.organization_id,
        terms=beginning.terms,
        starts_at=beginning.starts_at,
        time_zone=customer.time_zone,
        trial_days=beginning.trial_days,
        trial_ends_at=beginning.trial_ends_at,
        payment_method_id=beginning.payment_method_id,
        anchor_at=beginning.anchor_at,
        skips_past=beginning.skips_past,
        parent_id=beginning.parent_id,
        metadata=asked.metadata,
    )


async def _first_invoice(tx: Tx, subscription: Subscription, *, order_id: UUID, now: datetime) -> _Owed:
    """Bill what a subscription begins with. What began in the past brings every period since."""
    if subscription.next_due_at is not None and subscription.next_due_at <= now:
        await invoicing.bill_due(tx, refs=[subscription.ref], now=now)
        brought = await invoicing.listing(tx, query=PageQuery(limit=1), subscription_id=subscription.id)
        latest = next(iter(brought.items), None)
        return _Owed(latest, await current_payment(tx, latest))
    if subscription.status in _UNBILLED or subscription.terms.billing.in_arrears:
        return _Owed(None, None)
    draft = drafts.first_period(subscription, order_id=order_id, issued_at=now)
    via = Via.SAVED if subscription.payment_method_id else Via.EITHER
    [owed] = await invoicing.finalize_at_commit(tx, drafts=[draft], via=via, now=now)
    if owed.invoice.is_sent:
        # It is trusted to be paid: what was sent is owed by somebody who has the service.
        await subscriptions.activate(tx, refs=[subscription.ref], now=now)
    return _Owed(*owed)


async def _parent(
    tx: Tx, customer: Customer, plan: Plan, beside: Beside | None, *, currency: str
) -> Subscription | None:
    parent = None
    if beside is not None:
        ref = Ref(customer.tenant_id, beside.parent_id)
        parent = (await subscriptions.get(tx, refs=[ref])).get(ref)
        if parent is None or parent.customer_id != customer.id:
            raise NotFound("there is no such subscription", field="parent_id")
    starting.check_parent(plan, parent, currency=currency)
    return parent


def _waits(subscription: Subscription, owed: _Owed) -> bool:
    """Say whether a subscription is as it was made, for its first invoice is to be paid first."""
    is_to_be_paid = owed.invoice is not None and owed.payment is not None and not owed.invoice.is_sent
    return is_to_be_paid and subscription.status is Status.PROCESSING


def _refuse_twice(had: Sequence[Subscription], terms: Terms, beside: Beside | None) -> None:
    live = rules.live(had, terms.plan_id, parent_id=beside.parent_id if beside else None)
    if live is not None:
        name = ids.to_text("sub", live.id)
        raise AlreadySubscribed(f"{name} has the plan {terms.plan_code} and is {live.status.value}", field="plan_id")
