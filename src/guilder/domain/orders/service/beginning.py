"""How what was agreed to begins: the subscription, its promo code, what it owes first, and the order, for many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from guilder.domain.customers.model import Customer
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import drafts
from guilder.domain.orders.model import Answer, OrderKind
from guilder.domain.orders.service.discounting import redeemed
from guilder.domain.orders.service.placing import Asked, Brought, current_payment, new_order, place
from guilder.domain.payments.model import Payment, PaymentMethod, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import NewSubscription, Status, Subscription, Terms
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx

# A subscription that is to be paid by link, and never is, waits this long.
ABANDON_AFTER = timedelta(days=7)
_UNBILLED = frozenset({Status.SCHEDULED, Status.TRIALING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A subscription about to begin: whose (held until the commit), on which terms, after how long a trial, paid with what."""

    customer: Customer
    terms: Terms
    starts_at: datetime
    asked: Asked
    trial_days: int = 0
    trial_ends_at: datetime | None = None
    skips_past: bool = False
    anchor_at: datetime | None = None
    parent_id: UUID | None = None
    method: PaymentMethod | None = None
    promo_code: str | None = None
    is_first_purchase: bool = False


class _Begun(NamedTuple):
    """A subscription that was made, and the order that it is of."""

    beginning: Beginning
    subscription: Subscription
    order_id: UUID


class _Owed(NamedTuple):
    """What a subscription begins with owing, if anything, and the payment that is begun for it."""

    invoice: Invoice | None
    payment: Payment | None


async def begin(tx: Tx, beginnings: Sequence[Beginning], *, kind: OrderKind, now: datetime) -> list[Answer]:
    """Make the subscriptions, redeem their promo codes, bill their first periods, and write the orders down, in order."""
    if not beginnings:
        return []
    made = await subscriptions.create(tx, orders=[_new(each) for each in beginnings], now=now)
    begun = [_Begun(*each, ids.new(now)) for each in zip(beginnings, made, strict=True)]
    for beginning, subscription, _ in begun:
        if beginning.promo_code is not None:
            await redeemed(
                tx,
                subscription,
                code=beginning.promo_code,
                is_first_purchase=beginning.is_first_purchase,
                now=now,
            )
    owed = await _first_invoices(tx, begun, now=now)
    changed = [each.subscription.ref for each in begun if not _waits(each.subscription, owed[each.order_id])]
    today = await subscriptions.get(tx, refs=changed) if changed else {}
    return await place(
        tx,
        [
            _brought(each, today.get(each.subscription.ref, each.subscription), owed[each.order_id], kind, now=now)
            for each in begun
        ],
        now=now,
    )


def _brought(begun: _Begun, subscription: Subscription, owed: _Owed, kind: OrderKind, *, now: datetime) -> Brought:
    customer, asked = begun.beginning.customer, begun.beginning.asked
    order = new_order(
        Ref(customer.tenant_id, begun.order_id),
        customer_id=customer.id,
        kind=kind,
        currency=begun.beginning.terms.currency,
        metadata=asked.metadata,
        now=now,
    )
    return Brought(
        order=order,
        invoice=owed.invoice,
        payment=owed.payment,
        subscription=subscription,
        base_url=asked.base_url,
        # Paid after its first period, it would be owing periods in which nobody had access.
        abandon_at=min(now + ABANDON_AFTER, subscription.current_period.ends_at)
        if subscription.status is Status.PROCESSING
        else None,
    )


def _new(beginning: Beginning) -> NewSubscription:
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
        payment_method_id=beginning.method.id if beginning.method else None,
        anchor_at=beginning.anchor_at,
        skips_past=beginning.skips_past,
        parent_id=beginning.parent_id,
        metadata=beginning.asked.metadata,
    )


async def _first_invoices(tx: Tx, begun: Sequence[_Begun], *, now: datetime) -> Mapping[UUID, _Owed]:
    """Bill what subscriptions begin with, by order. What began in the past brings every period since."""
    owed = {each.order_id: _Owed(None, None) for each in begun}
    to_bill: dict[Via, list[_Begun]] = {Via.SAVED: [], Via.EITHER: []}
    for each in begun:
        subscription = each.subscription
        if subscription.next_due_at is not None and subscription.next_due_at <= now:
            owed[each.order_id] = await _since(tx, subscription, now=now)
        elif subscription.status not in _UNBILLED and not subscription.terms.billing.in_arrears:
            to_bill[Via.SAVED if subscription.payment_method_id else Via.EITHER].append(each)
    for via, alike in to_bill.items():
        first = [drafts.first_period(each.subscription, order_id=each.order_id, issued_at=now) for each in alike]
        known = invoicing.Known(
            buyers=[each.beginning.customer for each in alike],
            methods=[each.beginning.method for each in alike if each.beginning.method is not None],
        )
        billed = await invoicing.finalize_at_commit(tx, drafts=first, via=via, known=known, now=now)
        owed.update((each.order_id, _Owed(*bill)) for each, bill in zip(alike, billed, strict=True))
    # They are trusted to pay: what was sent is owed by somebody who has the service.
    sent = [each.subscription.ref for each in begun if _is_sent(owed[each.order_id])]
    await subscriptions.activate(tx, refs=sent, now=now)
    return owed


async def _since(tx: Tx, subscription: Subscription, *, now: datetime) -> _Owed:
    """Bill every period until now; the last invoice is what it begins with."""
    await invoicing.bill_due(tx, refs=[subscription.ref], now=now)
    brought = await invoicing.listing(tx, query=PageQuery(limit=1), subscription_id=subscription.id)
    latest = next(iter(brought.items), None)
    return _Owed(latest, await current_payment(tx, latest))


def _is_sent(owed: _Owed) -> bool:
    return owed.invoice is not None and owed.invoice.is_sent


def _waits(subscription: Subscription, owed: _Owed) -> bool:
    """Say whether a subscription is as it was made, for its first invoice is to be paid first."""
    is_to_be_paid = owed.invoice is not None and owed.payment is not None and not owed.invoice.is_sent
    return is_to_be_paid and subscription.status is Status.PROCESSING
