"""Credit notes by staff: an open invoice owes less, a paid one gives credit or a refund."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Credit, Draft, Invoice, InvoiceKind, Status
from guilder.domain.invoicing.rules import correcting
from guilder.domain.invoicing.rules import giving_back as rules
from guilder.domain.invoicing.rules.correcting import Back, BadCreditAmount, CreditTooLarge
from guilder.domain.invoicing.rules.giving_back import Given
from guilder.domain.invoicing.rules.two_persons import CreditKind
from guilder.domain.invoicing.service import crediting, giving_back, losing, prepaid
from guilder.domain.invoicing.service.alone import give_alone
from guilder.domain.invoicing.service.finalizing import finalize
from guilder.domain.invoicing.service.owing import owe_less
from guilder.domain.invoicing.service.telling import note_event
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.payments.model import Via
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

PAYMENTS_MAX = 100


class NotCreditable(Conflict):
    """Only an invoice that is open or paid can be credited."""

    code = "invoice_not_creditable"


class GiveBack(StrEnum):
    """What becomes of what a credit note gives back of money that came in."""

    NONE = "none"  # a refund gave it back before; the note is its document
    CREDIT = "credit"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is to be credited: lines (net), an amount with its tax, or nothing said: all that is left."""

    reason: str
    lines: tuple[tuple[UUID, int | None], ...] = ()
    amount_minor: int | None = None
    give_back: GiveBack = GiveBack.CREDIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """A refund that comes with a credit note."""

    refund_id: UUID
    invoice_id: UUID
    amount: Money
    reason: str


async def credit_note(
    tx: Tx, *, invoice_id: UUID, correction: Correction, by_two: bool = False, now: datetime
) -> Invoice:
    """Take back what was billed, all or a part, with a credit note; return it.

    An open invoice owes less first: what is in flight for the old amount is cancelled, and the rest collected anew.
    What is more than was still owed becomes customer credit, or is refunded: as far as money and credit have not given
    it back before, which is then only documented. Prepaid credits that it sold are taken back with their price, as far
    as they are left; those that it drew are there again, where it takes back all that they paid.

    :raises NotFound, NoSuchLine: no such invoice or line
    :raises NotCreditable: it is void, given up, or a credit note itself
    :raises CreditTooLarge: it is more than is left of a line or of the invoice
    :raises BadCreditAmount: it is nothing, or lines and an amount are both said
    :raises PaymentInFlight: a provider may be charging the old amount at this moment
    :raises NothingRefundable: a refund is wished for, and the invoice's payments cannot take it back
    :raises SecondPersonNeeded: it is more than one person may give alone, and not `by_two`
    """
    invoice = await locked(tx, invoice_id)
    back = await _back(tx, invoice, correction)
    if not by_two:
        await give_alone(
            tx,
            kind=CreditKind.CREDIT_NOTE,
            customer_id=invoice.customer_id,
            amount=Money(sum(each.net + each.tax for each in back), invoice.currency),
            reason=correction.reason,
            invoice_id=invoice.id,
            now=now,
        )
    given = await giving_back.standing(tx, invoice=invoice)
    draft = correcting.draft_of(invoice, back, cause=ids.new(now), reason=correction.reason, now=now)
    return await issue(tx, invoice=invoice, draft=draft, given=given, correction=correction, now=now)


async def issue(
    tx: Tx,
    *,
    invoice: Invoice,
    draft: Draft,
    given: Given,
    correction: Correction,
    closes_page: bool = False,
    now: datetime,
) -> Invoice:
    """Make a credit note of a locked invoice that stands as `given`, and let go back what it gives back."""
    [note] = await finalize(tx, drafts=[draft], via=Via.EITHER, now=now, grants_credit=False)
    applied = min(-note.total.minor, invoice.due.minor) if invoice.status is Status.OPEN else 0
    if applied:
        less = replace(note.total, minor=applied)
        await owe_less(tx, invoice=invoice, note=note, applied=less, closes_page=closes_page, now=now)
    share = rules.document if correction.give_back is GiveBack.NONE else rules.parts
    parts = share(-note.total.minor - applied, given)
    await giving_back.book_document(tx, invoice=invoice, note=note, parts=parts, now=now)
    await losing.take_back_sold(tx, invoice=invoice, cause=("credit_note", note.id), now=now)
    await losing.take_back_returned(tx, returned=await prepaid.note_made(tx, invoice=invoice, now=now), now=now)
    if parts.credit:
        await _give_back(tx, invoice, note, replace(note.total, minor=parts.credit), correction, now=now)
    await giving_back.tell_payments(tx, drafts=[draft])
    outbox.announce(tx, [note_event(note, credited_minor=parts.credit)], now=now)
    return note


async def document_refunds(tx: Tx, *, refunds: Sequence[Documented], now: datetime) -> list[Invoice]:
    """Make the credit notes that refunds come with, once the money is back: of no more than went back and is left of
    the invoice. No credit comes of it. A second time nothing is made.
    """
    notes = []
    for each in refunds:
        note = await _document(tx, each, now=now)
        notes += [note] if note else []
    return notes


async def _document(tx: Tx, refund: Documented, *, now: datetime) -> Invoice | None:
    try:
        invoice = await locked(tx, refund.invoice_id)
    except NotCreditable:
        return None  # written off, or void by now: what it billed is no revenue any more
    items = [(invoice.tenant_id, f"note:{refund.refund_id}:{line.id}") for line in invoice.lines]
    if await store.are_billed(tx, items):
        return None
    left = correcting.left_of(invoice, await store.credited(tx, [invoice.ref]))
    given = await giving_back.standing(tx, invoice=invoice)
    bounds = [
        refund.amount.minor,
        given.to_document,
        sum(max(each.gross, 0) for each in left),
        invoice.total.minor - await store.noted(tx, invoice.ref),
    ]
    if min(bounds) <= 0:
        return None
    back = correcting.of_amount(left, min(bounds))
    draft = correcting.draft_of(invoice, back, cause=refund.refund_id, reason=refund.reason, now=now)
    [note] = await finalize(tx, drafts=[draft], via=Via.EITHER, now=now, grants_credit=False)
    parts = rules.document(-note.total.minor, given)
    await giving_back.book_document(tx, invoice=invoice, note=note, parts=parts, now=now)
    await losing.take_back_sold(tx, invoice=invoice, cause=("credit_note", note.id), now=now)
    await giving_back.tell_payments(tx, drafts=[draft])
    outbox.announce(tx, [note_event(note, credited_minor=0)], now=now)
    return note


async def creditable(tx: Tx, *, invoices: Sequence[Invoice]) -> dict[UUID, Money]:
    """Return, by line, what is left of these invoices to be credited, net."""
    credited = await store.credited(tx, [invoice.ref for invoice in invoices])
    return {
        left.line.id: replace(left.line.amount, minor=left.net)
        for invoice in invoices
        for left in correcting.left_of(invoice, credited)
    }


async def locked(tx: Tx, invoice_id: UUID) -> Invoice:
    """Lock an invoice that can be credited, and its customer.

    :raises NotFound, NotCreditable: there is none
    """
    ref = Ref(tx.tenant_id, invoice_id)
    seen = await store.get(tx, [ref])
    if not seen:
        raise NotFound("there is no such invoice")
    # The customer first, as a change of its subscriptions does, which credits the same lines.
    await customers.lock(tx, refs=[Ref(ref.tenant_id, seen[0].customer_id)])
    [invoice] = await store.lock(tx, [ref])
    if invoice.kind is InvoiceKind.CREDIT_NOTE or invoice.status not in (Status.OPEN, Status.PAID):
        raise NotCreditable
    return invoice


async def _back(tx: Tx, invoice: Invoice, correction: Correction) -> list[Back]:
    left = correcting.left_of(invoice, await store.credited(tx, [invoice.ref]))
    if correction.lines and correction.amount_minor is not None:
        raise BadCreditAmount("say either lines or an amount", field="amount")
    if correction.lines:
        back = correcting.of_lines(left, correction.lines)
    elif correction.amount_minor is not None:
        back = correcting.of_amount(left, correction.amount_minor)
    else:
        back = correcting.whole(left)
    total = sum(each.net + each.tax for each in back)
    noted = await store.noted(tx, invoice.ref)
    if total <= 0 or total > invoice.total.minor - noted:
        raise CreditTooLarge(f"{Money(max(invoice.total.minor - noted, 0), invoice.currency)} is left of the invoice")
    return back


async def _give_back(
    tx: Tx, invoice: Invoice, note: Invoice, rest: Money, correction: Correction, *, now: datetime
) -> None:
    credit = Credit(
        tenant_id=note.tenant_id,
        id=ids.new(now),
        customer_id=note.customer_id,
        amount=rest,
        left=rest,
        granted_at=now,
        reason="credit_note",
        source_invoice_id=note.id,
    )
    await crediting.book_grant(tx, credit, now=now)
    if correction.give_back is GiveBack.REFUND:
        query = PageQuery(limit=PAYMENTS_MAX, after=None)
        paid = await payments.history(tx, query=query, invoice_id=invoice.id, status=PaymentStatus.SUCCEEDED)
        back = await crediting.that_can_go_back(tx, rest, issuer_id=note.issuer_id)
        await crediting.pay_out(tx, [credit], back, paid.items, reason=correction.reason, now=now)
