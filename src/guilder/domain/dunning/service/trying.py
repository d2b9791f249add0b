"""Trying again: with the saved method, with a new one, by hand. Never what may be coming in at this moment."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.dunning import store
from guilder.domain.dunning.model import Case, ChangeKind, Status
from guilder.domain.dunning.rules import history
from guilder.domain.dunning.service.telling import record, subscription_refs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

# By link: the customer may pay or not; nobody else will say what is next.
_LEFT_TO_CUSTOMER = frozenset(
    {PaymentStatus.AWAITING_CUSTOMER, PaymentStatus.REQUESTED, PaymentStatus.PREPARED, PaymentStatus.REQUIRES_ACTION}
)
# With a saved method: asked for, and not final. The outcome will say what is next.
_UNDER_WAY = frozenset(
    {PaymentStatus.REQUESTED, PaymentStatus.PREPARED, PaymentStatus.UNKNOWN, PaymentStatus.CANCELING}
)


class PaymentUnderWay(Conflict):
    """A payment for this is under way; its outcome is awaited."""

    code = "payment_under_way"


async def method_added(tx: Tx, *, methods: Mapping[Ref, UUID], now: datetime) -> None:
    """Try what these customers (by ref) are behind with at once, with the method that each has added.

    It uses up none of the planned tries. For what was sent with payment terms no card is tried; what a person has paused
    is not tried either, and goes on with the new method.
    """
    cases, with_method = await _meant_for(tx, methods, now=now)
    await _try(tx, cases, with_method, now=now)


async def method_paid_with(tx: Tx, *, methods: Mapping[Ref, UUID], now: datetime) -> None:
    """Try what these customers (by ref) are behind with at once, with the kept method that each has paid with on a page.

    What was last tried with that very method is not tried again.
    """
    cases, with_method = await _meant_for(tx, methods, now=now)
    await _try_anew(tx, cases, with_method, now=now)


async def default_changed(tx: Tx, *, methods: Mapping[Ref, UUID], now: datetime) -> None:
    """Try what these customers (by ref) are behind with at once, with the method that each has made the usual one.

    What was last tried with that very method is not tried again: it has just been added, and has had its try.
    """
    cases = [case for case in await store.lock_live_of(tx, sorted(methods)) if not case.is_sent]
    await _try_anew(tx, cases, {case.ref: methods[case.customer_ref] for case in cases}, now=now)


async def own_method_changed(tx: Tx, *, methods: Mapping[Ref, UUID], customers: Sequence[Ref], now: datetime) -> None:
    """Try what these subscriptions (by ref) of these customers are behind with at once, with the method that each has now.

    What was last tried with that very method is not tried again.
    """
    cases = [case for case in await store.lock_live_of(tx, sorted(set(customers))) if not case.is_sent]
    own = {case.ref: methods[ref] for case in cases for ref in case.subscription_refs if ref in methods}
    await _try_anew(tx, cases, own, now=now)


async def method_updated(tx: Tx, *, methods: Mapping[Ref, set[UUID]], now: datetime) -> None:
    """Try what was tried in vain with cards that their bank has renewed since (by customer) at once, as with a new one."""
    cases = [case for case in await store.lock_live_of(tx, sorted(methods)) if not case.is_sent]
    tried = await payments.tried_with(tx, invoices=[case.invoice_ref for case in cases])
    with_method = {
        case.ref: min(renewed)
        for case in cases
        if (renewed := methods[case.customer_ref] & tried.get(case.invoice_ref, set()))
    }
    await _try(tx, cases, with_method, now=now)


async def _meant_for(
    tx: Tx, methods: Mapping[Ref, UUID], *, now: datetime
) -> tuple[Sequence[Case], Mapping[Ref, UUID]]:
    """Return the cases that methods of customers are brought for, each with its method. Whoever brings another card while
    the old one fails means it for what comes, too: it takes the place of those that subscriptions name for themselves."""
    cases = [case for case in await store.lock_live_of(tx, sorted(methods)) if not case.is_sent]
    with_method = {case.ref: methods[case.customer_ref] for case in cases}
    named = await _usual_methods(tx, cases)
    replaced = {ref: with_method[case.ref] for case in cases if case.ref in named for ref in case.subscription_refs}
    await subscriptions.use_methods(tx, methods=replaced, now=now)
    return cases, with_method


async def _try_anew(tx: Tx, cases: Sequence[Case], methods: Mapping[Ref, UUID], *, now: datetime) -> None:
    """Try these cases, each with its method, but for those that were last tried with that one."""
    current = await payments.current(tx, invoices=[case.invoice_ref for case in cases])
    others = {
        case.ref: methods[case.ref]
        for case in cases
        if case.ref in methods and not _was_tried_with(current.get(case.invoice_ref), methods[case.ref])
    }
    await _try(tx, cases, others, now=now)


def _was_tried_with(payment: Payment | None, method_id: UUID) -> bool:
    return payment is not None and payment.payment_method_id == method_id


async def _try(tx: Tx, cases: Sequence[Case], methods: Mapping[Ref, UUID], *, now: datetime) -> None:
    trying = [case for case in cases if case.ref in methods and case.status is not Status.PAUSED]
    outcomes = await collect(tx, trying, methods=methods, now=now)
    told = [
        (case, history.same(ChangeKind.RETRIED, case, reason=history.NEW_METHOD, payment_id=payment.id))
        for case in trying
        if (payment := outcomes.get(case.ref)) is not None
    ]
    await record(tx, told, now=now)


async def spare_methods(tx: Tx, invoices: Sequence[Ref]) -> dict[Ref, UUID]:
    """Return, of those of these invoices for which there is one, the customer's next method that each was not tried with.

    Where a payment is under way, what comes of that is awaited.
    """
    if not invoices:
        return {}
    untried = await payments.untried_methods(tx, invoices=invoices)
    current = await payments.current(tx, invoices=invoices)
    return {ref: methods[0].id for ref, methods in untried.items() if methods and not is_under_way(current.get(ref))}


async def fall_back(tx: Tx, cases: Sequence[Case], *, methods: Mapping[Ref, UUID], now: datetime) -> None:
    """Try these cases with other methods (by invoice) at once. It uses up none of the planned tries."""
    outcomes = await collect(tx, cases, methods={case.ref: methods[case.invoice_ref] for case in cases}, now=now)
    told = [
        (case, history.same(ChangeKind.FELL_BACK, case, reason=case.last_decline_code, payment_id=payment.id))
        for case in cases
        if (payment := outcomes.get(case.ref)) is not None
    ]
    await record(tx, told, now=now)


async def collect(
    tx: Tx, cases: Sequence[Case], *, methods: Mapping[Ref, UUID], now: datetime
) -> dict[Ref, Payment | None]:
    """Ask for what these cases still owe, with a saved method. Return what came of each case that was asked for.

    What has been paid, or is under way, is not asked for: it is not in the answer. None in it says that nothing could be
    asked for: there is no saved method, and the customer's open link stands. `methods` names others than the usual.
    """
    invoices = await invoicing.lock(tx, refs=[case.invoice_ref for case in cases])
    current = await payments.current(tx, invoices=[case.invoice_ref for case in cases])
    owing = [
        case
        for case in cases
        if is_owed(invoices[case.invoice_ref]) and not is_under_way(current.get(case.invoice_ref))
    ]
    if not owing:
        return {}
    usual = await _usual_methods(tx, owing)
    payables = [
        invoicing.payable_of(
            invoices[case.invoice_ref], via=Via.SAVED, payment_method_id=methods.get(case.ref) or usual.get(case.ref)
        )
        for case in owing
    ]
    made = {Ref(p.tenant_id, p.invoice_id): p for p in await payments.collect(tx, payables=payables, now=now)}
    return {case.ref: _charged(made.get(case.invoice_ref)) for case in owing}


async def _usual_methods(tx: Tx, cases: Sequence[Case]) -> dict[Ref, UUID]:
    """Return the method that a case's subscription names for itself; the customer's default serves all others."""
    found = await subscriptions.get(tx, refs=subscription_refs(cases))
    methods = {ref: each.payment_method_id for ref, each in found.items() if each.payment_method_id}
    return {case.ref: methods[ref] for case in cases for ref in case.subscription_refs if ref in methods}


def is_owed(invoice: Invoice) -> bool:
    """Say whether there is something to collect: a void invoice still has its amount, and nobody owes it."""
    return invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE) and invoice.due.minor > 0


def is_under_way(payment: Payment | None) -> bool:
    """Say whether the money may be coming in this moment, or has come in and is not counted yet."""
    if payment is None:
        return False
    if payment.status is PaymentStatus.SUCCEEDED:
        return True
    return payment.via is not Via.LINK and payment.status in _UNDER_WAY


def _charged(payment: Payment | None) -> Payment | None:
    is_link = payment is not None and payment.via is Via.LINK and payment.status in _LEFT_TO_CUSTOMER
    return None if is_link else payment
