"""Changing what is subscribed to, ending it, opting out of renewal and in again.

Each first rolls what is already due, in the same transaction: a change works on the subscription as it is today.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import PlanStatus
from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Draft, Invoice, NewLine
from guilder.domain.invoicing.rules import drafts, proration
from guilder.domain.orders import store
from guilder.domain.orders.model import Answer, OrderKind, OrderStatus
from guilder.domain.orders.rules import change as rules
from guilder.domain.orders.rules import terms as term_rules
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.abandoning import void
from guilder.domain.orders.service.placing import Asked, check_method, current_payment, new_order, place
from guilder.domain.orders.service.subscribing import ABANDON_AFTER
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status, Subscription, Terms
from guilder.domain.subscriptions.rules import periods
from guilder.domain.subscriptions.rules.lifecycle import MOVES, Step
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import zero
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be different about a subscription; None leaves it as it is."""

    plan: UUID | str | None = None
    billing_cycle: str | None = None
    quantity: int | None = None
    when: When | None = None


async def change(tx: Tx, *, subscription_id: UUID, wish: Wish, asked: Asked, now: datetime) -> Answer:
    """Put other terms in force: now, with what is left of the period prorated, or with the next period.

    What is to be paid for by link takes effect when it is paid, dated by when it was asked for; what is charged to a
    saved method, at once. Wishing for what it has takes back what is pending. No order is made where nothing is billed
    now: when it waits for the next period.

    :raises NotFound: no such subscription or plan
    :raises NoSuchPrice, QuantityTooLarge: see `subscribe`
    :raises WouldBeACredit: it is wished for now and would give money back
    :raises IllegalStep: the subscription is not in a state in which it can be changed
    """
    subscription = await _rolled(tx, subscription_id=subscription_id, only=asked.only, now=now)
    terms = await _wished(tx, subscription, wish)
    await _take_back_unpaid(tx, subscription, now=now)
    if terms == subscription.terms:
        return Answer(order=None, subscription=await _without_pending(tx, subscription, now=now))
    order_id = ids.new(now)
    lines = await _difference(tx, subscription, terms, cause=str(order_id), now=now)
    net = rules.net_of(lines, terms.unit_amount.currency)
    if not rules.is_at_once(wish.when, net=net):
        later = await subscriptions.change(tx, ref=subscription.ref, terms=terms, at_period_end=True, now=now)
        return Answer(order=None, subscription=later.after)
    rules.check_changeable(subscription)
    invoice = await _bill(tx, subscription, terms, lines, order_id=order_id, now=now)
    payment = await current_payment(tx, invoice)
    waits = payment is not None and payment.via is Via.LINK
    if not waits:
        changed = await subscriptions.change(tx, ref=subscription.ref, terms=terms, now=now)
        subscription = changed.after
    order = new_order(
        Ref(subscription.tenant_id, order_id),
        customer_id=subscription.customer_id,
        kind=OrderKind.CHANGE,
        currency=net.currency,
        metadata=asked.metadata,
        now=now,
    )
    return await place(
        tx,
        replace(order, pending_terms=terms if waits else None),
        invoice=invoice,
        subscription=subscription,
        base_url=asked.base_url,
        # What was worked out for this period cannot be paid for in another.
        abandon_at=min(now + ABANDON_AFTER, subscription.current_period.ends_at) if waits else None,
        now=now,
    )


async def cancel(
    tx: Tx, *, subscription_id: UUID, when: When, only: CustomerId | None = None, now: datetime
) -> Subscription:
    """End a subscription: now, or when what is paid has run out. One that was never paid for ends now, its bill void.

    :raises NotFound: no such subscription
    :raises IllegalStep: it has ended already
    """
    before = await _rolled(tx, subscription_id=subscription_id, only=only, now=now)
    ended = await subscriptions.cancel(tx, ref=before.ref, at_period_end=when is When.PERIOD_END, now=now)
    if before.status is Status.PROCESSING:
        await _void_unpaid(tx, before, now=now)
    else:
        await _take_back_unpaid(tx, before, now=now)
    return ended.after


async def auto_renew(
    tx: Tx, *, subscription_id: UUID, is_on: bool, only: CustomerId | None = None, now: datetime
) -> Subscription:
    """Opt out of renewal, or in again before the end.

    :raises NotFound: no such subscription
    :raises IllegalStep: it is not running
    """
    subscription = await _rolled(tx, subscription_id=subscription_id, only=only, now=now)
    if is_on:
        return await subscriptions.keep(tx, ref=subscription.ref, now=now)
    # What is not running would end at once, and leave a first invoice behind that can still be paid.
    lifecycle.take(MOVES, subscription.status, Step.SCHEDULE)
    if subscription.cancel_at_period_end:
        return subscription
    return (await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=now)).after


async def use_method(
    tx: Tx, *, subscription_id: UUID, payment_method_id: UUID, only: CustomerId | None = None, now: datetime
) -> Subscription:
    """Charge this method from the next invoice on.

    :raises MethodNotUsable: it is not this customer's, or cannot be charged
    """
    subscription = await _rolled(tx, subscription_id=subscription_id, only=only, now=now)
    await check_method(tx, customer_id=subscription.customer_id, payment_method_id=payment_method_id)
    return await subscriptions.set_payment_method(
        tx, ref=subscription.ref, payment_method_id=payment_method_id, now=now
    )


async def _rolled(tx: Tx, *, subscription_id: UUID, only: CustomerId | None, now: datetime) -> Subscription:
    """Return a subscription as it is today, held with its customer until the commit."""
    ref = Ref(tx.tenant_id, subscription_id)
    found = (await subscriptions.get(tx, refs=[ref])).get(ref)
    if found is None or only not in (None, found.customer_id):
        raise NotFound("there is no such subscription")
    await customers.lock(tx, refs=[Ref(ref.tenant_id, found.customer_id)])
    await invoicing.bill_due(tx, refs=[ref], now=now)
    return await subscriptions.lock(tx, ref=ref)


async def _wished(tx: Tx, subscription: Subscription, wish: Wish) -> Terms:
    """Work out the terms that are wished for. The same plan stays in the version that was agreed to."""
    old = subscription.terms
    cycle = wish.billing_cycle or old.billing_cycle
    quantity = old.quantity if wish.quantity is None else wish.quantity
    plan = await catalog.plan(tx, plan=wish.plan or old.plan_id)
    if plan.id == old.plan_id:
        key = (subscription.tenant_id, old.plan_id, old.plan_version)
        plan = (await catalog.versions(tx, keys=[key]))[key]
        if cycle == old.billing_cycle:
            price = term_rules.price_of(plan, cycle=cycle, currency=old.unit_amount.currency)
            agreed = term_rules.agreed(plan, price, quantity=quantity)
            # The price that was agreed to stands, whatever became of the plan.
            return agreed if agreed.unit_amount == old.unit_amount else term_rules.with_quantity(old, quantity)
    elif plan.status is PlanStatus.ARCHIVED:
        raise catalog.PlanIsArchived(field="plan_id")
    price = term_rules.price_of(plan, cycle=cycle, currency=old.unit_amount.currency)
    return term_rules.agreed(plan, price, quantity=quantity)


async def _difference(tx: Tx, subscription: Subscription, terms: Terms, *, cause: str, now: datetime) -> list[NewLine]:
    """Return the lines of a change now: what is unused is credited, the rest is charged at the new price.

    Another interval begins a new period, whose fee is charged whole.
    """
    if rules.is_free_of_charge(subscription):
        return []
    billed, left_to_credit = await invoicing.billed_for_period(tx, subscription=subscription)
    # What was billed for the rest of the period was billed at the present terms, however often they changed before.
    present = zero(billed.currency) if billed.is_zero else subscription.terms.amount
    lines = proration.lines(
        subscription, terms, billed=present, left_to_credit=left_to_credit, cause=cause, changed_at=now
    )
    if rules.begins_anew(subscription, terms):
        anew = periods.restart(replace(subscription, terms=terms), at=now)
        lines.append(drafts.fee_line(anew, terms, anew.current_period))
    return lines


async def _bill(
    tx: Tx, subscription: Subscription, terms: Terms, lines: Sequence[NewLine], *, order_id: UUID, now: datetime
) -> Invoice | None:
    if not lines:
        return None
    draft = Draft(
        tenant_id=subscription.tenant_id,
        customer_id=subscription.customer_id,
        currency=terms.unit_amount.currency,
        lines=tuple(lines),
        issued_at=now,
        subscription_id=subscription.id,
        order_id=order_id,
        payment_method_id=subscription.payment_method_id,
    )
    [invoice] = await invoicing.finalize(tx, drafts=[draft], via=Via.EITHER, now=now)
    return invoice


async def _without_pending(tx: Tx, subscription: Subscription, *, now: datetime) -> Subscription:
    if subscription.pending_terms is None:
        return subscription
    return await subscriptions.revoke_change(tx, ref=subscription.ref, now=now)


async def _take_back_unpaid(tx: Tx, subscription: Subscription, *, now: datetime) -> None:
    """Take back what still waits for its payment by link: what is wished for last is what counts."""
    orders = await store.lock_by_subscription(tx, subscription.ref)
    waiting = [o for o in orders if o.status is OrderStatus.PROCESSING and o.pending_terms is not None]
    await void(tx, waiting, now=now)


async def _void_unpaid(tx: Tx, subscription: Subscription, *, now: datetime) -> None:
    orders = await store.lock_by_subscription(tx, subscription.ref)
    await void(tx, [o for o in orders if o.status is OrderStatus.PROCESSING and o.invoice_id is not None], now=now)
