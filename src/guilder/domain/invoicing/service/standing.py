"""How an invoice stands: paid, void, given up; refunds and recognised revenue beside it."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing import store
from guilder.domain.invoicing.events import InvoiceDueSoon, InvoiceGivenUp, InvoiceOverdue, InvoiceVoided
from guilder.domain.invoicing.model import Invoice, InvoiceKind, Settled, Status
from guilder.domain.invoicing.rules.lifecycle import MOVES, Step
from guilder.domain.invoicing.service import credit_entries, giving_back, losing, prepaid
from guilder.domain.invoicing.service.owing import InvoiceIsPaid
from guilder.domain.invoicing.service.telling import event, paid_event, subscriptions_of
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import journal
from guilder.domain.payments import service as payments
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class IsCreditNote(Conflict):
    """A credit note stands: what it gave back can be billed again, by an invoice."""

    code = "is_credit_note"


async def settle(tx: Tx, *, settled: Sequence[Settled], now: datetime) -> list[Invoice]:
    """Count what came in; what is paid in full is paid, and a subscription that waited for it begins.

    What was paid is the sum of the payments that succeeded, worked out anew each time: heard twice, it is the same.
    """
    if not settled:
        return []
    # Whom an invoice is from and for says nothing about what is paid: it stays sealed.
    invoices = await store.lock(tx, sorted({each.invoice_ref for each in settled}), with_parties=False)
    sums = await payments.succeeded_totals(tx, invoices=[invoice.ref for invoice in invoices])
    last = {each.invoice_ref: each for each in sorted(settled, key=lambda each: each.settled_at)}
    # What is void takes no money any more, nor what owes less than came in: it goes back.
    too_late = {invoice.ref for invoice in invoices if not _takes(invoice, sums.get(invoice.ref))}
    counted = [
        invoice if invoice.ref in too_late else _count(invoice, sums.get(invoice.ref), last[invoice.ref].settled_at)
        for invoice in invoices
    ]
    await store.save_standing(tx, counted, now=now)
    pairs = list(zip(invoices, counted, strict=True))
    newly = [after for before, after in pairs if after.status is Status.PAID and before.status is not Status.PAID]
    await ledger.post(
        tx,
        entries=[
            _write_off_reversed(before, last[before.ref])
            for before, after in pairs
            if before.status is Status.UNCOLLECTIBLE and after.status is Status.PAID
        ],
    )
    await subscriptions.activate(tx, refs=subscriptions_of(newly), now=now)
    outbox.announce(tx, [paid_event(invoice) for invoice in newly], now=now)
    returned = {Ref(each.tenant_id, each.payment_id) for each in settled if each.invoice_ref in too_late}
    await payments.return_payments(tx, refs=sorted(returned), now=now)
    return newly


async def void(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Invoice]:
    """Take back invoices that nobody has paid: their payments are cancelled, what they billed may be billed again.

    They keep their numbers. The credit that paid a part, and the discounts, are the customer's again. Voiding twice
    changes nothing.

    :raises InvoiceIsPaid: money came in for one of them, or a part of it has been credited
    :raises IsCreditNote: one of them is none that is owed
    """
    found = await store.lock(tx, refs)
    if len(found) < len(set(refs)):
        raise NotFound("there is no such invoice")
    standing = [invoice for invoice in found if invoice.status is not Status.VOID]
    if any(invoice.kind is InvoiceKind.CREDIT_NOTE for invoice in standing):
        raise IsCreditNote
    if any(invoice.paid.minor or invoice.credited.minor or invoice.status is Status.PAID for invoice in standing):
        raise InvoiceIsPaid
    # What was given back of it, for time that was not used, is the customer's: so it was owed.
    if await store.credited(tx, [invoice.ref for invoice in standing]):
        raise InvoiceIsPaid("a part of it was given back: credit the rest")
    voided = [
        replace(invoice, status=lifecycle.take(MOVES, invoice.status, Step.VOID), voided_at=now) for invoice in standing
    ]
    open_refs = [invoice.ref for invoice in voided]
    await payments.cancel(tx, invoices=open_refs, now=now)
    # Asked when what was in flight is locked: money may have come in that has not been counted here yet.
    if await payments.succeeded_totals(tx, invoices=open_refs):
        raise InvoiceIsPaid
    deferred = await store.unrecognized(tx, open_refs)
    await ledger.post(tx, entries=[_unbooking(invoice, deferred.get(invoice.ref, 0), at=now) for invoice in voided])
    await store.stop_recognition(tx, open_refs)
    # In the order in which billing takes them: prepaid credits, discounts, credit, and what is billed.
    drawn = await prepaid.invoices_voided(tx, refs=open_refs, now=now)
    await losing.take_back_returned(tx, returned=drawn, now=now)
    await store.discounts.return_uses(tx, open_refs, at=now)
    returned = await store.crediting.return_uses(tx, invoices=open_refs, at=now)
    await store.free_items(tx, open_refs)
    await ledger.post(tx, entries=[credit_entries.returned(use, at=now) for use in returned])
    await _carry_back(tx, voided, now=now)
    voided = [replace(invoice, credit_applied=None) for invoice in voided]
    await store.save_standing(tx, voided, now=now)
    await giving_back.tell_payments_of_void(tx, invoices=voided)
    outbox.announce(tx, [event(InvoiceVoided, invoice) for invoice in voided], now=now)
    return voided


async def _carry_back(tx: Tx, voided: Sequence[Invoice], *, now: datetime) -> None:
    """Give back what void invoices carried to the next ones, be it collected by now or not."""
    back = [
        replace(each, id=ids.new(now), amount=-each.amount, left=-each.amount, granted_at=now, reason="voided")
        for each in await store.crediting.carried_from(tx, voided)
    ]
    await store.crediting.insert(tx, back)
    await ledger.post(tx, entries=[credit_entries.granted(each, at=now) for each in back])


async def tell_overdue(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Announce of these invoices that their due date has passed, each once."""
    overdue = await store.claim_overdue(tx, refs, now=now)
    await store.mark_overdue(tx, [invoice.ref for invoice in overdue], now=now)
    outbox.announce(tx, [event(InvoiceOverdue, each, due_at=each.due_at) for each in overdue], now=now)
    return len(overdue)


async def tell_due_soon(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Announce of these invoices that were sent that their due date is three days away, each once."""
    soon = await store.claim_due_soon(tx, refs, now=now)
    await store.mark_due_soon(tx, [invoice.ref for invoice in soon], now=now)
    outbox.announce(tx, [event(InvoiceDueSoon, each, due_at=each.due_at) for each in soon], now=now)
    return len(soon)


async def give_up(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Invoice]:
    """Write open invoices off: they are not expected to be paid any more, though they still can be."""
    found = [invoice for invoice in await store.lock(tx, refs) if invoice.status is Status.OPEN]
    given_up = [replace(each, status=lifecycle.take(MOVES, each.status, Step.GIVE_UP)) for each in found]
    await store.save_standing(tx, given_up, now=now)
    await ledger.post(
        tx,
        entries=[
            journal.invoice_given_up(
                tenant_id=each.tenant_id, invoice_id=each.id, customer_id=each.customer_id, amount=each.due, at=now
            )
            for each in given_up
        ],
    )
    outbox.announce(tx, [event(InvoiceGivenUp, each) for each in given_up], now=now)
    return given_up


async def record_refunds(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Note beside these invoices what refunds and banks took of them; how they stand is left as it is."""
    await store.save_given_back(tx, await payments.given_back(tx, invoices=refs))


async def recognize_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Book as earned what was billed in advance and whose period is over."""
    lines = await store.claim_recognition(tx, refs, now=now)
    await ledger.post(
        tx,
        entries=[
            journal.revenue_recognized(
                tenant_id=TenantId(line["tenant_id"]),
                line_id=line["id"],
                invoice_id=line["invoice_id"],
                customer_id=CustomerId(line["customer_id"]),
                amount=Money(line["amount_minor"], line["currency"]),
                at=line["recognize_at"],
            )
            for line in lines
            if line["amount_minor"]
        ],
    )
    await store.mark_recognized(tx, [Ref(TenantId(line["tenant_id"]), line["id"]) for line in lines], now=now)
    return len(lines)


def _takes(invoice: Invoice, came_in: Money | None) -> bool:
    """Say whether what came in is paid for an invoice: more than it is to be paid with was asked for before a credit note,
    and came in after it."""
    applied = invoice.credit_applied.minor if invoice.credit_applied else 0
    owed = invoice.total.minor - invoice.credited.minor - applied
    return invoice.status is not Status.VOID and (came_in is None or came_in.minor <= owed)


def _count(invoice: Invoice, paid: Money | None, at: datetime) -> Invoice:
    counted = replace(invoice, paid=paid or invoice.paid)
    if counted.due.minor > 0 or Step.SETTLE not in MOVES[counted.status]:
        return counted
    return replace(counted, status=lifecycle.take(MOVES, counted.status, Step.SETTLE), paid_at=at)


def _unbooking(invoice: Invoice, deferred_minor: int, *, at: datetime) -> JournalEntry | None:
    deferred = Money(deferred_minor, invoice.currency)
    return journal.invoice_voided(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        earned=invoice.subtotal - deferred,
        deferred=deferred,
        tax=invoice.tax,
        at=at,
    )


def _write_off_reversed(invoice: Invoice, settled: Settled) -> JournalEntry:
    return journal.written_off_after_all_paid(
        tenant_id=invoice.tenant_id,
        paid_by=("payment", settled.payment_id),
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=invoice.due,
        at=settled.settled_at,
    )
