"""How orders end: with the invoice that was made for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders.model import Order
from guilder.domain.orders.rules.lifecycle import MOVES, Step
from guilder.domain.orders.service import undoing
from guilder.domain.orders.service.concluding import fail_charges, settle_charges
from guilder.domain.orders.service.placing import cancel, canceled_event, complete, completed_event
from guilder.domain.orders.store import orders as store
from guilder.domain.orders.store.orders import By
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.domain.subscriptions.rules.lifecycle import Step as Change
from guilder.domain.subscriptions.rules.lifecycle import allows
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def paid(tx: Tx, *, invoices: Mapping[Ref, datetime], now: datetime) -> None:
    """Complete the orders whose invoices are paid, each dated by its payment; which grants what was bought.

    An order that was given up before its late payment came in stays so: that payment is the invoice's to settle. A
    change that can take effect no more is canceled, and what was paid for it goes back: of what stands still or has
    ended or was changed otherwise, and of a period that is over and was billed anew. What credit notes took whole, nobody has paid for, whatever
    credit had paid of it before: it is canceled as by a void, except for what has begun already.
    """
    await undoing.hold_customers(tx, By.INVOICE, sorted(invoices))
    found = await store.lock_by_invoice(tx, sorted(invoices))
    billed = {each.ref: Ref(each.tenant_id, each.invoice_id) for each in found if each.invoice_id}
    credited = await invoicing.credited_whole(tx, refs=list(billed.values()))
    changes = [billed[each.ref] for each in found if each.invoice_id and each.pending_terms is not None]
    cut_off = await invoicing.cut_off(tx, refs=changes)
    done, too_late, given_up = [], [], []
    for order in found:
        ref = billed.get(order.ref)
        if ref is None or Step.COMPLETE not in MOVES[order.status]:
            continue
        if not _has_begun(order) and ref in credited:
            given_up.append(cancel(order))
        elif ref not in cut_off and await _can_take_effect(tx, order):
            done.append(complete(order, at=invoices[ref]))
        else:
            too_late.append(cancel(order))
    await store.save(tx, [*done, *too_late, *given_up])
    for order in done:
        await _take_effect(tx, order, now=now)
    await undoing.take_back_paid(tx, too_late, now=now)
    # An end that gave a change back may have paid all of its invoice with that.
    await undoing.take_back_unpaid(tx, [order for order in given_up if order.pending_terms is not None], now=now)
    outbox.announce(tx, [completed_event(order) for order in done], now=now)
    outbox.announce(tx, [canceled_event(order) for order in [*too_late, *given_up]], now=now)
    await settle_charges(tx, orders=done, now=now)
    await fail_charges(tx, orders=given_up, now=now)


def _has_begun(order: Order) -> bool:
    """Say whether what was ordered is had already: a subscription, or a change that waited for nothing."""
    return order.subscription_id is not None and order.pending_terms is None


async def _can_take_effect(tx: Tx, order: Order) -> bool:
    if order.pending_terms is None or order.subscription_id is None:
        return True
    subscription = await subscriptions.lock(tx, ref=Ref(order.tenant_id, order.subscription_id))
    is_of_this_period = subscription.current_period.holds(order.created_at)
    return is_of_this_period and allows(subscription.status, Change.CHANGE_PAID)


async def _take_effect(tx: Tx, order: Order, *, now: datetime) -> None:
    """Put in force what waited for this payment, dated by when it was asked for: that is what its lines were made for."""
    if order.pending_terms is None or order.subscription_id is None:
        return
    subscription = await subscriptions.lock(tx, ref=Ref(order.tenant_id, order.subscription_id))
    changed = await subscriptions.change(
        tx, ref=subscription.ref, terms=order.pending_terms, is_paid=True, now=order.created_at
    )
    if changed.segments:
        await invoicing.bill_closed(tx, closed=[changed.after], now=now)


async def canceled(tx: Tx, *, invoices: Sequence[Ref], now: datetime) -> None:
    """Cancel the orders whose invoices were voided, and what waited for their payment. What is completed stays so."""
    found = await store.lock_by_invoice(tx, sorted(set(invoices)))
    ended = [cancel(order) for order in found if Step.CANCEL in MOVES[order.status]]
    await store.save(tx, ended)
    await _end_what_waited(tx, ended, now=now)
    outbox.announce(tx, [canceled_event(order) for order in ended], now=now)
    await fail_charges(tx, orders=ended, now=now)


async def _end_what_waited(tx: Tx, orders: Sequence[Order], *, now: datetime) -> None:
    """End subscriptions that can never be paid for any more: they would be waiting for ever."""
    refs = sorted({Ref(order.tenant_id, order.subscription_id) for order in orders if order.subscription_id})
    found = await subscriptions.get(tx, refs=refs)
    waiting = [ref for ref in refs if found[ref].status is Status.PROCESSING]
    await subscriptions.end(tx, refs=waiting, now=now)
