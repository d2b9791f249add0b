"""Changing what is subscribed to: plan, cycle, quantity; now, when the period ends, or on a date.

Each verb first rolls what is already due, in the same transaction: it works on the subscription as it is today.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import AnchorRule, Plan, PlanStatus
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice, NewLine
from guilder.domain.invoicing.rules import drafts
from guilder.domain.orders.model import Answer, OrderKind
from guilder.domain.orders.rules import change as rules
from guilder.domain.orders.rules import starting
from guilder.domain.orders.rules import terms as term_rules
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.beginning import ABANDON_AFTER
from guilder.domain.orders.service.placing import (
    Asked,
    Brought,
    check_method,
    current_payment,
    has_method,
    new_order,
    place,
)
from guilder.domain.orders.service.rolling import rolled, take_back_unpaid
from guilder.domain.orders.service.subscribing import refuse_twice
from guilder.domain.payments.model import Payment, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Changed, Status, Subscription, Terms
from guilder.domain.subscriptions.rules import trials
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be different about a subscription; None leaves it as it is. It is now, then, or as we think best."""

    plan: UUID | str | None = None
    billing_cycle: str | None = None
    quantity: int | None = None
    when: When | None = None
    effective_at: datetime | None = None
    anchor: AnchorRule | None = None  # what becomes of it with another interval; None: as the plan says
    to_newest_version: bool = False  # of its plan: what new customers get


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change that is to take effect now: what it makes of the subscription, and what it costs."""

    changed: Changed
    terms: Terms
    trial_ends_at: datetime | None
    order_id: UUID
    lines: Sequence[NewLine]


async def change(tx: Tx, *, subscription_id: UUID, wish: Wish, asked: Asked, now: datetime) -> Answer:
    """Put other terms in force: now, with what is left of the period prorated, with the next period, or on a date.

    What is to be paid for by link takes effect when it is paid, dated by when it was asked for; what is charged to a
    saved method, sent with terms, or paid by credit, at once. What gives more back than it costs is a credit note, and
    becomes credit. Wishing for what it has takes back what is pending. No order is made where nothing is billed now.

    :raises NotFound: no such subscription or plan
    :raises NoSuchPrice, QuantityTooLarge, NeedsParent, NotAnAddOn, AlreadySubscribed: see `subscribe`
    :raises NowOrThen: both `when` and `effective_at`
    :raises DateIsPast: `effective_at` is not in the future
    :raises MethodNeeded: it would end a trial that must not end without a payment method
    :raises IllegalStep: the subscription is not in a state in which it can be changed
    """
    rules.check_one(wish.when, wish.effective_at, name="effective_at")
    subscription = await rolled(tx, subscription_id=subscription_id, only=asked.only, now=now)
    terms = await _wished(tx, subscription, wish)
    await take_back_unpaid(tx, subscription, now=now)
    if terms == subscription.terms:
        return Answer(order=None, subscription=await _without_pending(tx, subscription, now=now))
    if wish.effective_at is not None:
        return await _later(tx, subscription, terms, at=wish.effective_at, now=now)
    if wish.when is When.PERIOD_END or (wish.when is None and not rules.can_change(subscription)):
        return await _later(tx, subscription, terms, at=None, now=now)
    trial_ends_at = trials.end_after(subscription, terms, at=now)
    changed = rules.rehearsed(subscription, terms, at=now, trial_ends_at=trial_ends_at)
    order_id = ids.new(now)
    lines = await _lines(tx, changed, cause=str(order_id), now=now)
    net = rules.net_of(lines, terms.currency)
    if not rules.is_at_once(wish.when, net=net, is_cheaper=rules.is_cheaper(subscription, terms)):
        return await _later(tx, subscription, terms, at=None, now=now)
    if trial_ends_at == now:
        rules.check_trial_can_end(terms, has_method=await has_method(tx, subscription))
    wanted = _Change(changed=changed, terms=terms, trial_ends_at=trial_ends_at, order_id=order_id, lines=lines)
    return await _now(tx, subscription, wanted, asked=asked, now=now)


async def revoke_change(
    tx: Tx, *, subscription_id: UUID, only: CustomerId | None = None, now: datetime
) -> Subscription:
    """Take back a change that is still to come, or that waits for its payment. Without one, nothing happens.

    :raises NotFound: no such subscription
    """
    subscription = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    await take_back_unpaid(tx, subscription, now=now)
    return await _without_pending(tx, subscription, now=now)


async def use_method(
    tx: Tx, *, subscription_id: UUID, payment_method_id: UUID, only: CustomerId | None = None, now: datetime
) -> Subscription:
    """Charge this method from the next invoice on; dunning tries at once what the subscription is behind with.

    :raises MethodNotUsable: it is not this customer's, or cannot be charged
    """
    subscription = await rolled(tx, subscription_id=subscription_id, only=only, now=now)
    await check_method(tx, customer_id=subscription.customer_id, payment_method_id=payment_method_id)
    return await subscriptions.set_payment_method(
        tx, ref=subscription.ref, payment_method_id=payment_method_id, now=now
    )


async def _later(tx: Tx, subscription: Subscription, terms: Terms, *, at: datetime | None, now: datetime) -> Answer:
    planned = await subscriptions.change(
        tx, ref=subscription.ref, terms=terms, at_period_end=at is None, at=at, now=now
    )
    return Answer(order=None, subscription=planned.after)


async def _now(tx: Tx, subscription: Subscription, wanted: _Change, *, asked: Asked, now: datetime) -> Answer:
    invoice = await _bill(tx, wanted, now=now)
    waits = _waits(invoice, await current_payment(tx, invoice))
    if not waits:
        subscription = await _take_effect(tx, subscription, wanted, now=now)
    if wanted.trial_ends_at == now:
        subscription, invoice = await _trial_over(tx, subscription, now=now)
    order = new_order(
        Ref(subscription.tenant_id, wanted.order_id),
        customer_id=subscription.customer_id,
        kind=OrderKind.CHANGE,
        currency=wanted.terms.currency,
        metadata=asked.metadata,
        now=now,
    )
    brought = Brought(
        order=replace(order, pending_terms=wanted.terms if waits else None),
        invoice=invoice,
        payment=await current_payment(tx, invoice),
        subscription=subscription,
        base_url=asked.base_url,
        # What was worked out for this period cannot be paid for in another.
        abandon_at=await _payable_until(tx, subscription, now=now) if waits else None,
    )
    [answer] = await place(tx, [brought], now=now)
    return answer


async def _payable_until(tx: Tx, subscription: Subscription, *, now: datetime) -> datetime:
    parent = None
    if subscription.parent_id is not None:
        parent = await subscriptions.one(tx, ref=Ref(subscription.tenant_id, subscription.parent_id))
    return rules.payable_until(subscription, parent=parent, now=now, at_most=ABANDON_AFTER)


async def _trial_over(tx: Tx, subscription: Subscription, *, now: datetime) -> tuple[Subscription, Invoice | None]:
    """Begin and bill the first period, in the same breath: the trial ended with the change."""
    await invoicing.bill_due(tx, refs=[subscription.ref], now=now)
    brought = await invoicing.listing(tx, query=PageQuery(limit=1), subscription_id=subscription.id)
    return await subscriptions.one(tx, ref=subscription.ref), next(iter(brought.items), None)


async def _take_effect(tx: Tx, subscription: Subscription, wanted: _Change, *, now: datetime) -> Subscription:
    changed = await subscriptions.change(
        tx, ref=subscription.ref, terms=wanted.terms, trial_ends_at=wanted.trial_ends_at, now=now
    )
    if changed.segments:
        await invoicing.bill_closed(tx, closed=[changed.after], now=now)
    return changed.after


def _waits(invoice: Invoice | None, payment: Payment | None) -> bool:
    """Say whether a change waits for its payment: what is sent with terms is trusted to be paid."""
    if invoice is None or invoice.is_sent:
        return False
    return payment is not None and payment.via is Via.LINK


async def _wished(tx: Tx, subscription: Subscription, wish: Wish) -> Terms:
    """Work out the terms that are wished for.

    The same plan stays in the version, and for the same interval at the price, that was agreed to, unless it is to be
    moved to the newest one. What of the way it is billed was agreed for this subscription goes along to another plan or
    version; its price does not.
    """
    old = subscription.terms
    cycle = wish.billing_cycle or old.billing_cycle
    quantity = old.quantity if wish.quantity is None else wish.quantity
    current = await _agreed_version(tx, subscription)
    plan = await catalog.plan(tx, plan=wish.plan or old.plan_id)
    if plan.id == old.plan_id and not (wish.to_newest_version and plan.version > old.plan_version):
        plan = current
        if cycle == old.billing_cycle:
            if quantity != old.quantity:
                term_rules.check_quantity(plan, quantity)
            return term_rules.with_quantity(old, quantity)
    elif plan.id != old.plan_id and plan.status is PlanStatus.ARCHIVED:
        raise catalog.PlanIsArchived(field="plan_id")
    if plan.id != old.plan_id:
        starting.check_kind(plan, is_beside=subscription.parent_id is not None, field="plan_id")
        had = await subscriptions.of_customer(tx, customer_id=subscription.customer_id)
        others = [each for each in had if each.id != subscription.id]
        refuse_twice(others, plan, parent_id=subscription.parent_id)
    price = term_rules.price_of(plan, cycle=cycle, currency=old.currency)
    own = replace(term_rules.own_of(old, current), charges=old.overrides if plan.id == old.plan_id else ())
    terms = term_rules.agreed(plan, price, quantity=quantity, own=own)
    if wish.anchor is not None:
        terms = replace(terms, billing=replace(terms.billing, interval_change=wish.anchor))
    return terms


async def _agreed_version(tx: Tx, subscription: Subscription) -> Plan:
    key = (subscription.tenant_id, subscription.terms.plan_id, subscription.terms.plan_version)
    return (await catalog.versions(tx, keys=[key]))[key]


async def _lines(tx: Tx, changed: Changed, *, cause: str, now: datetime) -> list[NewLine]:
    """Return what a change now gives back and charges. Another interval begins a period, whose fee is among them."""
    [lines] = await invoicing.change_lines(tx, changed=[changed], cause=[cause], at=now)
    after = changed.after
    if not changed.began_period or after.status is Status.TRIALING or after.terms.billing.in_arrears:
        return lines
    fee = drafts.fee_line(after, after.terms, after.current_period)
    # A change at the very start of a period that was billed is another thing than that period's fee.
    return [*lines, replace(fee, billed_item=f"{fee.billed_item}:{cause}")]


async def _bill(tx: Tx, wanted: _Change, *, now: datetime) -> Invoice | None:
    if not wanted.lines:
        return None
    draft = drafts.of_lines(wanted.changed.after, wanted.lines, issued_at=now, order_id=wanted.order_id)
    [invoice] = await invoicing.finalize(tx, drafts=[draft], via=Via.EITHER, now=now)
    return invoice


async def _without_pending(tx: Tx, subscription: Subscription, *, now: datetime) -> Subscription:
    if subscription.pending_terms is None:
        return subscription
    return await subscriptions.revoke_change(tx, ref=subscription.ref, now=now)
