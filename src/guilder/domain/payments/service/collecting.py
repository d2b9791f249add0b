"""Collecting: at most one payment in flight for an invoice, and none beside the one that paid it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.payments.events import PaymentCanceled, PaymentRequested
from guilder.domain.payments.model import MethodStatus, Payable, Payment, PaymentMethod, Status, Via
from guilder.domain.payments.rules import collecting
from guilder.domain.payments.rules.collecting import Plan
from guilder.domain.payments.rules.lifecycle import Step, after
from guilder.domain.payments.service import requests, returning, telling
from guilder.domain.payments.service.starting import start
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import methods as method_rows
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def collect(
    tx: Tx, *, payables: Sequence[Payable], are_new: bool = False, methods: Sequence[PaymentMethod] = (), now: datetime
) -> list[Payment]:
    """Ask for what is owed; return, for each payable, the payment that will bring it (or has brought it).

    With a saved method it is asked of a provider by the workers; by link, nothing happens before it is opened. An
    invoice that is being collected, or is paid, gets no second payment. Where the customer's open link stands in the
    way of a saved method, it is closed first; at the provider too, if it is known there, and then the new attempt is
    made when that is certain. `are_new`: this transaction makes these invoices, so that no payment of them is looked for.
    `methods` are those that this transaction has read a moment ago.
    """
    if not payables:
        return []
    invoices = [Ref(each.tenant_id, each.invoice_id) for each in payables]
    holders = {} if are_new else await attempts.lock_holders(tx, invoices)
    chosen = await _methods_for(tx, payables, methods)
    begin: list[tuple[Payable, Via, PaymentMethod | None]] = []
    here: list[Payment] = []
    there: list[Payment] = []
    for invoice, payable, method in zip(invoices, payables, chosen, strict=True):
        holder = holders.get(invoice)
        via = collecting.resolve(payable.via, has_method=method is not None)
        plan = collecting.plan(holder, via, has_method=method is not None)
        if plan in {Plan.BEGIN, Plan.FAIL, Plan.REPLACE_HERE}:
            begin.append((payable, via, method))
        if plan is Plan.REPLACE_HERE and holder is not None:
            here.append(holder)
        if plan is Plan.REPLACE_THERE and holder is not None:
            there.append(replace(holder, again_via=via, again_method_id=method.id if method else None))
    await give_up(tx, payments=here + there, keeps_hold=True, now=now)
    last = {} if are_new else await attempts.last_attempts(tx, [Ref(p.tenant_id, p.invoice_id) for p, _, _ in begin])
    begun = await _begin(tx, begin, last, now=now)
    found = {Ref(each.tenant_id, each.invoice_id): each for each in begun}
    if others := [invoice for invoice in invoices if invoice not in found]:
        found |= await attempts.current(tx, others)
    return [found[invoice] for invoice in invoices]


async def cancel(tx: Tx, *, invoices: Sequence[Ref], now: datetime) -> None:
    """Stop collecting these invoices: at once where no provider knows of it, else when the provider has closed it.

    Money that comes in all the same is given back.
    """
    holders = (await attempts.lock_holders(tx, invoices)).values()
    open_ones = [replace(p, again_via=None, again_method_id=None) for p in holders if p.status is not Status.SUCCEEDED]
    await give_up(tx, payments=open_ones, keeps_hold=False, now=now)


async def give_up(tx: Tx, *, payments: Sequence[Payment], keeps_hold: bool, now: datetime) -> None:
    """Cancel locked payments that are in flight, here or at their provider. `keeps_hold`: no other begins before."""
    here = [collecting.canceled(p, now=now) for p in payments if not p.is_asked]
    there = [
        replace(p, status=after(p.status, Step.GIVE_UP), holds_invoice=keeps_hold, action_url="", check_due_at=None)
        for p in payments
        if p.is_asked
    ]
    await attempts.save(tx, [*here, *there], now=now)
    await gateways.request(tx, requests=[requests.cancellation(p, now=now) for p in there], now=now)
    outbox.announce(tx, [telling.of_payment(PaymentCanceled, p) for p in here], now=now)


async def look_after(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Start what was requested a while ago and never asked of a provider, and give back again what was not taken back;
    return how many were looked at."""
    stale = await attempts.claim_stale(tx, refs, now=now)
    checks = {p.ref: collecting.next_check(p.requested_at, now=now) for p in stale if collecting.is_to_start(p)}
    await attempts.save(tx, [replace(p, check_due_at=checks.get(p.ref)) for p in stale], now=now)
    await start(tx, refs=[p.ref for p in stale], now=now)
    await returning.return_again(tx, payments=stale, now=now)
    return len(stale)


async def _methods_for(
    tx: Tx, payables: Sequence[Payable], read: Sequence[PaymentMethod]
) -> list[PaymentMethod | None]:
    """Choose each payable's method: the one it names if that can be used, else its customer's default."""
    named = {method.ref: method for method in read if method.replaced_by is None}
    wanted = [Ref(p.tenant_id, p.payment_method_id) for p in payables if p.payment_method_id is not None]
    if unread := [ref for ref in wanted if ref not in named]:
        named |= await method_rows.resolve(tx, unread)
    usable = {(ref, method.customer_id): method for ref, method in named.items() if method.status is MethodStatus.VALID}
    chosen = [
        usable.get((Ref(p.tenant_id, p.payment_method_id), p.customer_id)) if p.payment_method_id else None
        for p in payables
    ]
    without = {Ref(p.tenant_id, p.customer_id) for p, method in zip(payables, chosen, strict=True) if method is None}
    defaults = await method_rows.defaults(tx, sorted(without)) if without else {}
    return [method or defaults.get(Ref(p.tenant_id, p.customer_id)) for p, method in zip(payables, chosen, strict=True)]


async def _begin(
    tx: Tx, wanted: Sequence[tuple[Payable, Via, PaymentMethod | None]], last: Mapping[Ref, int], *, now: datetime
) -> list[Payment]:
    """Begin these payments, each its invoice's next after the `last`; return those that are begun by this."""
    if not wanted:
        return []
    made = [
        _made(id_, payable, via, method, attempt=last.get(Ref(payable.tenant_id, payable.invoice_id), 0) + 1, now=now)
        for id_, (payable, via, method) in zip(ids.new_many(now, len(wanted)), wanted, strict=True)
    ]
    written = await attempts.insert(tx, made)
    # What was not written was begun by somebody else meanwhile, who told of it.
    new = [payment for payment in made if payment.ref in written]
    requested = [p for p in new if p.status is Status.REQUESTED]
    outbox.announce(tx, [telling.of_payment(PaymentRequested, p) for p in requested], now=now)
    outbox.announce(tx, [telling.failed(p) for p in new if p.status is Status.DECLINED], now=now)
    return new


def _made(
    id_: UUID, payable: Payable, via: Via, method: PaymentMethod | None, *, attempt: int, now: datetime
) -> Payment:
    payment = Payment(
        tenant_id=payable.tenant_id,
        id=id_,
        invoice_id=payable.invoice_id,
        customer_id=payable.customer_id,
        attempt=attempt,
        amount=payable.amount,
        status=Status.AWAITING_CUSTOMER if via is Via.LINK else Status.REQUESTED,
        via=via,
        gateway="",
        account_id=None,
        payment_method_id=method.id if method and via is Via.SAVED else None,
        requested_at=now,
        description=payable.description,
        claim=payable.claim,
        check_due_at=now + collecting.START_WITHIN if via is Via.SAVED else None,
    )
    return collecting.without_method(payment, now=now) if via is Via.SAVED and method is None else payment
