"""What never took effect, since what it was for stopped, or was given up, before it was paid: what was billed for it goes back."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.catalog.model import Unused
from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice, Phrase
from guilder.domain.orders.model import Order
from guilder.domain.orders.store import orders as store
from guilder.domain.orders.store.orders import By
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def hold_customers(tx: Tx, by: By, refs: Sequence[Ref]) -> None:
    """Hold the customers of what waits for its payment, before anything of theirs: as whoever changes or ends a subscription
    does."""
    await customers.lock(tx, refs=await store.customers_waiting(tx, by, refs))


async def take_back_paid(tx: Tx, orders: Sequence[Order], *, now: datetime) -> None:
    """Give back what was paid too late for these changes: by refund as far as its payments take it, the rest as credit."""
    for order in orders:
        async with tx.only(order.tenant_id):
            note, subscription = await _credited(tx, order, why=Phrase.PAID_TOO_LATE, now=now)
            await invoicing.refund_unused(tx, made=note, of=[subscription.ref], now=now)


async def take_back_unpaid(tx: Tx, orders: Sequence[Order], *, now: datetime) -> None:
    """Credit what is left of these orders, which nobody has paid for. Where the clock was late, an end gave a part of a
    change back as if it had been: what that leaves to the customer is unused time, and becomes what its plan says. Anything else
    is credit that had paid a part, and stays that."""
    invoices = {each.ref: Ref(each.tenant_id, each.invoice_id) for each in orders if each.invoice_id is not None}
    cut_off = await invoicing.cut_off(tx, refs=list(invoices.values()))
    for order in orders:
        async with tx.only(order.tenant_id):
            note, subscription = await _credited(tx, order, why=Phrase.NOT_PAID_IN_TIME, now=now)
            has_ended = subscription.ended_at is not None and invoices[order.ref] in cut_off
            if has_ended and subscription.terms.billing.unused_on_cancel is Unused.REFUND:
                await invoicing.refund_unused(tx, made=note, of=[subscription.ref], now=now)


async def _credited(tx: Tx, order: Order, *, why: Phrase, now: datetime) -> tuple[list[Invoice], Subscription]:
    assert order.invoice_id is not None, order.ref
    assert order.subscription_id is not None, order.ref
    subscription = await subscriptions.lock(tx, ref=Ref(order.tenant_id, order.subscription_id))
    note = await invoicing.take_back_change(
        tx, invoice_id=order.invoice_id, subscription=subscription, why=why, now=now
    )
    return [note] if note is not None else [], subscription
