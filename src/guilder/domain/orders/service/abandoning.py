"""Giving up what was ordered, was to be paid by link, and never was."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.orders.model import Order
from guilder.domain.orders.service import undoing
from guilder.domain.orders.service.placing import cancel, canceled_event
from guilder.domain.orders.store import orders as store
from guilder.domain.orders.store.orders import By
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.domain.subscriptions.rules.lifecycle import Step, allows
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

LOOK_AGAIN_AFTER = timedelta(days=1)
# A payment in one of these may be coming in this moment; one that is declined or waits for the customer is not.
_MAY_COME_IN = frozenset(
    {
        PaymentStatus.REQUESTED,
        PaymentStatus.PREPARED,
        PaymentStatus.UNKNOWN,
        PaymentStatus.CANCELING,
        PaymentStatus.SUCCEEDED,
    }
)


class _Verdict(Enum):
    GIVE_UP = auto()
    LOOK_AGAIN = auto()
    LEAVE = auto()


async def abandon_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Give up what nobody paid for in time: its bill is void, its link closed, a subscription that waited for it ends.

    What is charged to a saved method is dunning's to end, and left to it; what may be coming in is looked at again.
    """
    await undoing.hold_customers(tx, By.ORDER, refs)
    claimed = await store.claim_abandoned(tx, refs, now=now)
    invoices = [Ref(order.tenant_id, order.invoice_id) for order in claimed if order.invoice_id]
    current = await payments.current(tx, invoices=invoices)
    found = await invoicing.get(tx, refs=invoices)
    in_part = await _given_back_in_part(tx, found)
    verdicts = []
    for order in claimed:
        assert order.invoice_id is not None, order.ref
        ref = Ref(order.tenant_id, order.invoice_id)
        # What staff gave back a part of, staff goes on with; but no subscription waits for it for ever.
        is_open = found[ref].status is InvoiceStatus.OPEN and (ref not in in_part or order.subscription_id is not None)
        verdicts.append((order, _verdict(current.get(ref), is_open=is_open)))
    await _give_up(tx, [order for order, verdict in verdicts if verdict is _Verdict.GIVE_UP], now=now)
    again_at = {_Verdict.LOOK_AGAIN: now + LOOK_AGAIN_AFTER, _Verdict.LEAVE: None}
    kept = [replace(order, abandon_at=again_at[verdict]) for order, verdict in verdicts if verdict in again_at]
    await store.save(tx, kept)
    return len(claimed)


async def stopped(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Give up at once the changes that wait for their payment, of these subscriptions, as far as they have ended or
    stand still: nothing can come of them any more."""
    found = await subscriptions.get(tx, refs=refs)
    still = sorted(ref for ref, each in found.items() if not allows(each.status, Step.CHANGE_PAID))
    await undoing.hold_customers(tx, By.SUBSCRIPTION, still)
    orders = await store.lock_by_subscription(tx, still)
    waiting = [replace(each, abandon_at=now) for each in orders if each.pending_terms and each.abandon_at]
    if waiting:
        await store.save(tx, waiting)
        await abandon_due(tx, refs=[each.ref for each in waiting], now=now)


def _verdict(payment: Payment | None, *, is_open: bool) -> _Verdict:
    if not is_open or (payment is not None and payment.via is Via.SAVED):
        return _Verdict.LEAVE
    if payment is not None and payment.status in _MAY_COME_IN:
        return _Verdict.LOOK_AGAIN
    return _Verdict.GIVE_UP


async def _give_up(tx: Tx, orders: Sequence[Order], *, now: datetime) -> None:
    begun = [Ref(order.tenant_id, order.subscription_id) for order in orders if order.subscription_id]
    waiting = [
        ref for ref, each in (await subscriptions.get(tx, refs=begun)).items() if each.status is Status.PROCESSING
    ]
    await subscriptions.end(tx, refs=sorted(waiting), now=now)
    await void(tx, orders, now=now)


async def void(tx: Tx, orders: Sequence[Order], *, now: datetime) -> None:
    """Take orders back that nobody has paid, with their invoices.

    Of a subscription, or a change, of which a part was given back, the rest is credited: by staff, or where the clock was
    late, by an end or a change on its date.
    """
    if not orders:
        return
    invoices = {order.ref: Ref(order.tenant_id, order.invoice_id) for order in orders if order.invoice_id}
    in_part = await _given_back_in_part(tx, await invoicing.get(tx, refs=list(invoices.values())))
    credited = [each for each in orders if each.subscription_id is not None and invoices.get(each.ref) in in_part]
    kept = {each.ref for each in credited}
    await invoicing.void(tx, refs=[ref for order, ref in invoices.items() if order not in kept], now=now)
    ended = [cancel(order) for order in orders]
    await store.save(tx, ended)
    outbox.announce(tx, [canceled_event(order) for order in ended], now=now)
    await undoing.take_back_unpaid(tx, credited, now=now)


async def _given_back_in_part(tx: Tx, invoices: Mapping[Ref, Invoice]) -> set[Ref]:
    """Return those that are owed and of which something was given back: they cannot be void any more."""
    owed = {ref: each for ref, each in invoices.items() if each.status is InvoiceStatus.OPEN}
    left = await invoicing.creditable(tx, invoices=list(owed.values()))
    return {ref for ref, each in owed.items() if any(left[line.id] != line.amount for line in each.lines)}
