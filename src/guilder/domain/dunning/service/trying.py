"""Trying again: with the saved method, with a new one, by hand. Never what may be coming in at this moment."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.dunning import store
from guilder.domain.dunning.model import Case
from guilder.domain.dunning.service.telling import subscription_refs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payable, Payment, Status, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

_DESCRIPTION_MAX = 200
# By link: the customer may pay or not; nobody else will say what is next.
_LEFT_TO_CUSTOMER = frozenset({Status.AWAITING_CUSTOMER, Status.REQUESTED, Status.PREPARED, Status.REQUIRES_ACTION})
# With a saved method: asked for, and not final. The outcome will say what is next.
_UNDER_WAY = frozenset({Status.REQUESTED, Status.PREPARED, Status.UNKNOWN, Status.CANCELING})


class PaymentUnderWay(Conflict):
    """A payment for this is under way; its outcome is awaited."""

    code = "payment_under_way"


async def method_added(tx: Tx, *, methods: Mapping[Ref, UUID], now: datetime) -> None:
    """Try what these customers (by ref) are behind with at once, with the method that each has added.

    It uses up none of the planned tries. For what was sent with payment terms no card is tried.
    """
    cases = [case for case in await store.lock_live_of(tx, sorted(methods)) if not case.is_sent]
    with_method = {case.ref: methods[Ref(case.tenant_id, case.customer_id)] for case in cases}
    named = await _usual_methods(tx, cases)
    replaced = {ref: with_method[case.ref] for case in cases if case.ref in named for ref in case.subscription_refs}
    # Whoever brings another card while the old one fails means it for what comes, too.
    await subscriptions.use_methods(tx, methods=replaced, now=now)
    await collect(tx, cases, methods=with_method, now=now)


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
    payables = [_payable(invoices[case.invoice_ref], methods.get(case.ref) or usual.get(case.ref)) for case in owing]
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
    if payment.status is Status.SUCCEEDED:
        return True
    return payment.via is not Via.LINK and payment.status in _UNDER_WAY


def _charged(payment: Payment | None) -> Payment | None:
    is_link = payment is not None and payment.via is Via.LINK and payment.status in _LEFT_TO_CUSTOMER
    return None if is_link else payment


def _payable(invoice: Invoice, payment_method_id: UUID | None) -> Payable:
    return Payable(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=invoice.due,
        description=invoice.lines[0].description[:_DESCRIPTION_MAX],
        payment_method_id=payment_method_id,
        via=Via.SAVED,
    )
