"""Making drafts owed: priced, taxed, booked, paid by credit or collected, and numbered last."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.customers.model import Customer
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Credit, Draft, Invoice, InvoiceKind, Status
from guilder.domain.invoicing.rules import crediting, keeping, numbering
from guilder.domain.invoicing.service import credit_entries, giving_back, issuing, owing, pricing
from guilder.domain.invoicing.service.pricing import Made
from guilder.domain.invoicing.service.telling import (
    finalized_event,
    granted_event,
    note_event,
    paid_event,
    payable_of,
    subscriptions_of,
)
from guilder.domain.invoicing.store.crediting import CreditUse
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import journal
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payable, Payment, PaymentMethod, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import total
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

# The name of what is done before the commit.
_NUMBERING = "invoicing.number"
_Owner = tuple[TenantId, CustomerId, str]


class Owed(NamedTuple):
    """An invoice that was made, and the payment that was begun for it; None where nothing is to be paid."""

    invoice: Invoice
    payment: Payment | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the transaction has read, and need not read again: customers whom it holds, and payment methods."""

    buyers: Sequence[Customer] = ()
    methods: Sequence[PaymentMethod] = ()


_NOTHING = Known()


class AlreadyBilled(Conflict):
    """This has been billed already."""

    code = "already_billed"


@dataclass(slots=True)
class _Credits:
    """What customers of a batch have, used up from one draft to the next."""

    by_owner: dict[_Owner, list[Credit]]
    granted: list[Credit] = field(default_factory=list)
    uses: list[CreditUse] = field(default_factory=list)

    def grant(self, invoice: Invoice, minor: int, *, reason: str, now: datetime) -> None:
        credit = Credit(
            tenant_id=invoice.tenant_id,
            id=ids.new(now),
            customer_id=invoice.customer_id,
            amount=replace(invoice.total, minor=minor),
            left=replace(invoice.total, minor=minor),
            granted_at=invoice.issued_at,
            reason=reason,
            source_invoice_id=invoice.id,
        )
        self.granted.append(credit)
        self.by_owner.setdefault(_owner(invoice), []).append(credit)

    def pay(self, invoice: Invoice, *, now: datetime) -> Invoice:
        mine = self.by_owner.get(_owner(invoice), [])
        if not mine:
            return invoice
        drawn = crediting.draw(mine, invoice.total)
        after = {credit.id: credit for credit, _ in drawn}
        self.by_owner[_owner(invoice)] = [after.get(each.id, each) for each in mine]
        self.uses += [
            CreditUse(invoice.tenant_id, ids.new(now), credit.id, invoice.customer_id, amount, invoice_id=invoice.id)
            for credit, amount in drawn
        ]
        return _with_credit(invoice, sum(amount.minor for _, amount in drawn))

    @property
    def now_left(self) -> dict[Ref, Credit]:
        return {credit.ref: credit for mine in self.by_owner.values() for credit in mine}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Invoices that are final but for their numbers, and what is told of them with those."""

    made: Sequence[Made]
    payments: Mapping[UUID, Payment]  # by invoice
    contents: Sequence[numbering.Content]
    rows: store.Unnumbered
    granted_by_note: Mapping[UUID, int]
    granted: Sequence[Credit]


async def finalize(
    tx: Tx, *, drafts: Sequence[Draft], via: Via, now: datetime, grants_credit: bool = True
) -> list[Invoice]:
    """Make drafts owed: write what they bill, book them, let credit pay, ask for the rest, and number them, last of all.

    A draft whose total is negative becomes a credit note: it makes the open invoices owe less whose lines it gives back,
    and the rest becomes customer credit (unless `grants_credit` is false: then its maker says what becomes of it). What comes to nothing, or is paid by credit, is paid with that, and
    a subscription that waited for it begins. The numbers are taken at the very end, since from there to the commit
    nobody else can have one of the same series.

    :raises AlreadyBilled: something on a draft was billed before; nothing is written then
    :raises UnknownIssuer: a draft names an issuer that is not there
    """
    if not drafts:
        return []
    waiting = await _prepare(tx, drafts, via=via, grants_credit=grants_credit, now=now)
    return await _number(tx, waiting, now=now)


async def finalize_at_commit(
    tx: Tx, *, drafts: Sequence[Draft], via: Via, known: Known = _NOTHING, now: datetime
) -> list[Owed]:
    """Make drafts owed as `finalize` does, and number them when all else of the transaction is done.

    The invoices returned have no number yet, and until then their rows are not there to be read: for who makes one, and
    does more in its transaction that only needs to know what it comes to.

    :raises AlreadyBilled: something on a draft was billed before; nothing is written then
    :raises UnknownIssuer: a draft names an issuer that is not there
    """
    if not drafts:
        return []
    waiting = await _prepare(tx, drafts, via=via, grants_credit=True, known=known, now=now)

    async def number(tx: Tx) -> None:
        await _number(tx, waiting, now=now)

    tx.before_commit(f"{_NUMBERING}.{waiting.made[0].invoice.id}", number)
    return [Owed(each.invoice, waiting.payments.get(each.invoice.id)) for each in waiting.made]


async def number_now(tx: Tx) -> None:
    """Number what waits in this transaction for its commit, so that it can be read."""
    await tx.run_hooks(of=_NUMBERING)


async def are_billed(tx: Tx, *, items: Sequence[tuple[TenantId, str]]) -> set[tuple[TenantId, str]]:
    """Return those of (tenant, billed item) that an invoice bills already."""
    return await store.are_billed(tx, items)


async def _prepare(
    tx: Tx, drafts: Sequence[Draft], *, via: Via, grants_credit: bool, known: Known = _NOTHING, now: datetime
) -> _Waiting:
    """Do all that needs no number."""
    made = await pricing.price(tx, await issuing.named(tx, drafts=drafts), held=known.buyers, now=now)
    notes = [each.invoice for each in made if grants_credit and each.invoice.kind is InvoiceKind.CREDIT_NOTE]
    set_off = await owing.set_off(tx, notes=notes, now=now)
    granted = {note.id: -note.total.minor - set_off.get(note.id, 0) for note in notes}
    made, pool = await _paid_by_credit(tx, made, granted=granted, now=now)
    made = [replace(each, invoice=_final(each, now=now)) for each in made]
    items = [(each.draft.tenant_id, line.billed_item, each.invoice.id) for each in made for line in each.draft.lines]
    claimed = await store.claim_items(tx, items)
    contents = [numbering.content(each.invoice) for each in made]
    rows = await store.insert_lines(tx, [(each.invoice, _head(each)) for each in made], now=now)
    if await claimed < len(items):
        others = await store.held_by_others(tx, items)
        raise AlreadyBilled(f"billed already: {others[0] if others else 'one thing twice'}")
    await _record_uses(tx, made, pool, now=now)
    # Of a note whose amount its maker disposes of, the maker says so.
    await giving_back.tell_payments(tx, drafts=[each.draft for each in made] if grants_credit else [])
    await ledger.post(tx, entries=[*[_booking(each) for each in made], *_credit_bookings(made, pool)])
    payables = [_payable(each, via) for each in made if each.invoice.due_minor]
    begun = await payments.collect(tx, payables=payables, are_new=True, methods=known.methods, now=now)
    settled = [each.invoice for each in made if not each.invoice.due_minor]
    await subscriptions.activate(tx, refs=subscriptions_of(settled), now=now)
    return _Waiting(
        made=made,
        payments={each.invoice_id: each for each in begun},
        contents=contents,
        rows=rows,
        granted_by_note=granted,
        granted=pool.granted,
    )


async def _paid_by_credit(
    tx: Tx, made: Sequence[Made], *, granted: Mapping[UUID, int], now: datetime
) -> tuple[list[Made], _Credits]:
    """Let credit pay what it can, in order, and grant what credit notes come to; what is too little is carried on."""
    owners = sorted({_owner(each.invoice) for each in made if each.draft.takes_credit and each.invoice.total.minor > 0})
    found = await store.crediting.lock_left(tx, owners)
    pool = _Credits({owner: [] for owner in owners})
    for credit in found:
        pool.by_owner[credit.tenant_id, credit.customer_id, credit.amount.currency].append(credit)
    done = []
    for each in made:
        invoice = each.invoice
        if invoice.kind is InvoiceKind.CREDIT_NOTE:
            if granted.get(invoice.id):
                pool.grant(invoice, granted[invoice.id], reason="credit_note", now=now)
        elif each.draft.takes_credit:
            invoice = pool.pay(invoice, now=now)
        over = crediting.carried(invoice.due_minor, each.issuer, invoice.currency, is_sent=each.draft.is_sent)
        if over:
            pool.grant(invoice, -over, reason="carried_forward", now=now)
            invoice = _with_credit(invoice, over + (invoice.credit_applied.minor if invoice.credit_applied else 0))
        done.append(each if invoice is each.invoice else replace(each, invoice=invoice))
    return done, pool


def _with_credit(invoice: Invoice, minor: int) -> Invoice:
    return replace(invoice, credit_applied=replace(invoice.total, minor=minor) if minor else None)


async def _record_uses(tx: Tx, made: Sequence[Made], pool: _Credits, *, now: datetime) -> None:
    taken = [
        (discount.ref, each.invoice.id, amount, is_counted)
        for each in made
        for discount, amount, is_counted in each.taken
    ]
    await store.discounts.record_uses(tx, taken, periods_left=pricing.periods_left(made), now=now)
    left, granted = pool.now_left, {each.ref for each in pool.granted}
    await store.crediting.insert(tx, [left[each.ref] for each in pool.granted])
    touched = sorted({Ref(use.tenant_id, use.credit_id) for use in pool.uses} - granted)
    await store.crediting.save_left(tx, [left[ref] for ref in touched])
    await store.crediting.insert_uses(tx, pool.uses, now=now)


def _owner(invoice: Invoice) -> _Owner:
    return invoice.tenant_id, invoice.customer_id, invoice.currency


def _head(each: Made) -> store.Head:
    return store.Head(
        issuer_id=each.issuer.id,
        time_zone=each.invoice.time_zone,
        payment_method_id=each.draft.payment_method_id,
        recognize_at=each.recognize_at,
    )


def _booking(each: Made) -> JournalEntry | None:
    invoice = each.invoice
    later = [line.amount for line, at in zip(invoice.lines, each.recognize_at, strict=True) if at is not None]
    deferred = total(later, invoice.currency)
    return journal.invoice_finalized(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        earned=invoice.subtotal - deferred,
        deferred=deferred,
        tax=invoice.tax,
        at=invoice.issued_at,
    )


def _credit_bookings(made: Sequence[Made], pool: _Credits) -> list[JournalEntry]:
    issued_at = {each.invoice.id: each.invoice.issued_at for each in made}
    granted = [credit_entries.granted(credit, at=credit.granted_at) for credit in pool.granted]
    used = [credit_entries.used(use, at=issued_at[use.invoice_id]) for use in pool.uses if use.invoice_id]
    return granted + used


def _payable(each: Made, via: Via) -> Payable:
    return payable_of(
        each.invoice,
        via=Via.LINK if each.draft.is_sent else via,  # sent to be paid: nobody is charged
        payment_method_id=each.draft.payment_method_id,
    )


def _final(made: Made, *, now: datetime) -> Invoice:
    """Return an invoice as it will be, but for its number."""
    is_paid = not made.invoice.due_minor
    return replace(
        made.invoice,
        status=Status.PAID if is_paid else Status.OPEN,
        paid_at=made.invoice.issued_at if is_paid else None,
        finalized_at=now,
        retention_until=keeping.retention_until(made.invoice.issued_on, country=made.issuer.address.country),
    )


async def _number(tx: Tx, waiting: _Waiting, *, now: datetime) -> list[Invoice]:
    """Take the numbers, write the invoices and tell of them. From the first line to the commit others wait."""
    following: dict[tuple[InvoiceKind, TenantId, UUID], int] = {}
    for kind in InvoiceKind:
        series = Counter(_series(each)[1:] for each in waiting.made if each.invoice.kind is kind)
        first = await store.take_numbers(tx, series, kind=kind)
        following |= {(kind, *key): number for key, number in first.items()}
    final, numbered = [], []
    for each, content in zip(waiting.made, waiting.contents, strict=True):
        sequence = following[_series(each)]
        following[_series(each)] += 1
        number = numbering.written(_looks(each), sequence, each.invoice.issued_on)
        numbered.append(store.Numbered(sequence, number, content.sealed(number)))
        final.append(replace(each.invoice, number=number))
    await store.insert(tx, waiting.rows, numbered)
    _announce(tx, final, waiting, now=now)
    return final


def _series(made: Made) -> tuple[InvoiceKind, TenantId, UUID]:
    return made.invoice.kind, made.invoice.tenant_id, made.issuer.id


def _looks(made: Made) -> str:
    is_note = made.invoice.kind is InvoiceKind.CREDIT_NOTE
    return made.issuer.credit_note_format if is_note else made.issuer.number_format


def _announce(tx: Tx, final: Sequence[Invoice], waiting: _Waiting, *, now: datetime) -> None:
    invoices = [each for each in final if each.kind is InvoiceKind.INVOICE]
    outbox.announce(tx, [finalized_event(invoice) for invoice in invoices], now=now)
    outbox.announce(tx, [paid_event(invoice) for invoice in invoices if invoice.status is Status.PAID], now=now)
    # Of a note whose amount its maker disposes of, the maker tells.
    granted = waiting.granted_by_note
    told = [note_event(note, credited_minor=granted[note.id]) for note in final if note.id in granted]
    outbox.announce(tx, told, now=now)
    outbox.announce(tx, [granted_event(each) for each in waiting.granted if each.amount.minor > 0], now=now)
