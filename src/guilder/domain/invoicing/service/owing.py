"""What makes an open invoice owe less than it came to: credit notes that give back a part of it, before it is paid."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Credit, Invoice, Status
from guilder.domain.invoicing.rules import correcting, crediting
from guilder.domain.invoicing.rules.lifecycle import MOVES, Step
from guilder.domain.invoicing.service import credit_entries
from guilder.domain.invoicing.service.telling import paid_event, payable_of, subscriptions_of
from guilder.domain.invoicing.store.crediting import CreditUse
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import credit as credit_journal
from guilder.domain.ledger.rules import journal
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Via
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

_OWED = {Status.OPEN, Status.UNCOLLECTIBLE}
_FINAL = {PaymentStatus.SUCCEEDED, PaymentStatus.DECLINED, PaymentStatus.CANCELED}


class InvoiceIsPaid(Conflict):
    """The invoice is paid: it can be refunded or credited, and no longer voided."""

    code = "invoice_is_paid"


class PaymentInFlight(Conflict):
    """A payment of the old amount is on its way: wait for it, then credit what was paid."""

    code = "payment_in_flight"


async def owe_less(
    tx: Tx, *, invoice: Invoice, note: Invoice, applied: Money, closes_page: bool = False, now: datetime
) -> None:
    """Let a credit note make a locked invoice owe less: what is in flight is cancelled, and the rest collected anew. A page that
    the customer has opened is for the old amount, and stands in the way unless it `closes_page`.

    :raises PaymentInFlight: a provider may be charging the old amount at this moment
    :raises InvoiceIsPaid: it was paid at this moment
    """
    less = replace(invoice, credited=invoice.credited + applied)
    payment = (await payments.current(tx, invoices=[invoice.ref])).get(invoice.ref)
    is_busy = _may_come_in if closes_page else _is_being_charged
    if is_busy(payment) and less.due.minor:
        raise PaymentInFlight
    if await _cancelled(tx, [invoice], now=now):
        raise InvoiceIsPaid("it was paid at this moment: try again, and what was paid is credited")
    await _book(tx, note, {invoice.id: applied}, at=now)
    await _stand(tx, [less], {invoice.ref: payment} if payment else {}, now=now)


async def set_off(tx: Tx, *, notes: Sequence[Invoice], now: datetime) -> dict[UUID, int]:
    """Let credit notes pay for what they give back, where that is not paid yet; return by note how much did, in minor units.

    What nobody has paid for becomes no credit. An invoice that a provider is being asked for at this moment is left as it
    is: its money is coming in. A page on which the customer has not paid is closed, and what is left can be paid anew.
    """
    credited = sorted(
        {Ref(note.tenant_id, line.credits_line_id) for note in notes for line in note.lines if line.credits_line_id}
    )
    billed_on = await store.invoices_of_lines(tx, credited) if credited else {}
    held = await store.lock(tx, sorted(set(billed_on.values()))) if billed_on else []
    standing = {each.ref: each for each in held if each.status is Status.OPEN and each.due.minor > 0}
    if not standing:
        return {}
    current = await payments.current(tx, invoices=sorted(standing))
    free = {ref: each for ref, each in standing.items() if not _may_come_in(current.get(ref))}
    gone = await _cancelled(tx, list(free.values()), now=now)
    free = {ref: each for ref, each in free.items() if ref not in gone}
    after, done = dict(free), {}
    for note in notes:
        parts = correcting.set_off(note, billed_on, after)
        if parts:
            await _book(tx, note, {ref.id: part for ref, part in parts.items()}, at=now)
            done[note.id] = sum(part.minor for part in parts.values())
            after |= {ref: replace(after[ref], credited=after[ref].credited + part) for ref, part in parts.items()}
    await _stand(tx, list(after.values()), current, now=now)
    return done


async def pay_with_what_notes_gave(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Let the credit that notes gave for these invoices pay for them, as far as it is left: what was on its way for them
    and was counted on has not come in. Of one that was given up meanwhile so much is not written off any more.
    """
    if not await store.crediting.given_for(tx, refs):
        return
    seen = await store.get(tx, refs)
    await customers.lock(tx, refs=sorted({Ref(each.tenant_id, each.customer_id) for each in seen}))
    held = [each for each in await store.lock(tx, refs) if each.status in _OWED and each.due.minor > 0]
    current = await payments.current(tx, invoices=[each.ref for each in held])
    free = {each.ref: each for each in held if not _is_being_charged(current.get(each.ref))}
    gone = await _cancelled(tx, list(free.values()), now=now)
    after = {ref: each for ref, each in free.items() if ref not in gone}
    owners = sorted({(each.tenant_id, each.customer_id, each.currency) for each in after.values()})
    left = {each.ref: each for each in await store.crediting.lock_left(tx, owners)}
    uses = []
    for credit_ref, invoice_ref, minor in await store.crediting.given_for(tx, sorted(after)):
        credit, invoice = left[credit_ref], after[invoice_ref]
        part = replace(invoice.due, minor=min(minor, credit.left.minor, invoice.due.minor))
        if part.minor > 0:
            uses.append(
                CreditUse(credit.tenant_id, ids.new(now), credit.id, credit.customer_id, part, invoice_id=invoice.id)
            )
            left[credit_ref] = replace(credit, left=credit.left - part)
            applied = invoice.credit_applied.minor if invoice.credit_applied else 0
            after[invoice_ref] = replace(invoice, credit_applied=replace(part, minor=applied + part.minor))
    used = {Ref(use.tenant_id, use.credit_id) for use in uses}
    await store.crediting.save_left(tx, [left[ref] for ref in sorted(used)])
    await store.crediting.insert_uses(tx, uses, now=now)
    given_up = {ref.id for ref, each in after.items() if each.status is Status.UNCOLLECTIBLE}
    reversed_ = [_write_off_reversed(use, at=now) for use in uses if use.invoice_id in given_up]
    await ledger.post(tx, entries=[*reversed_, *(credit_entries.used(use, at=now) for use in uses)])
    await _stand(tx, list(after.values()), current, now=now)


def _write_off_reversed(use: CreditUse, *, at: datetime) -> JournalEntry:
    assert use.invoice_id is not None, use
    return journal.written_off_after_all_paid(
        tenant_id=use.tenant_id,
        paid_by=("credit_use", use.id),
        invoice_id=use.invoice_id,
        customer_id=use.customer_id,
        amount=use.amount,
        at=at,
    )


def _may_come_in(payment: Payment | None) -> bool:
    """Say whether a provider may be charging at this moment: not where the customer has but opened its page."""
    is_page = payment is not None and payment.via is Via.LINK and payment.status is PaymentStatus.REQUIRES_ACTION
    return _is_being_charged(payment) and not is_page


def _is_being_charged(payment: Payment | None) -> bool:
    return payment is not None and payment.status not in _FINAL and payment.is_asked


async def _cancelled(tx: Tx, invoices: Sequence[Invoice], *, now: datetime) -> set[Ref]:
    """Cancel what is in flight for these invoices; return those that money came in for which is not counted here yet."""
    refs = [each.ref for each in invoices]
    await payments.cancel(tx, invoices=refs, now=now)
    # Asked when what was in flight is locked: from here on nothing comes in unseen.
    came_in = await payments.succeeded_totals(tx, invoices=refs)
    return {each.ref for each in invoices if each.ref in came_in and came_in[each.ref] != each.paid}


async def _book(tx: Tx, note: Invoice, parts: Mapping[UUID, Money], *, at: datetime) -> None:
    entry = credit_journal.credit_note_applied(
        tenant_id=note.tenant_id, note_id=note.id, customer_id=note.customer_id, parts=parts, at=at
    )
    await ledger.post(tx, entries=[entry])


async def _stand(tx: Tx, invoices: Sequence[Invoice], before: Mapping[Ref, Payment], *, now: datetime) -> None:
    """Save how invoices stand that owe less, and collect anew what is left; one that owes nothing more is paid."""
    standing = await _carried(tx, invoices, now=now)
    paid = [
        replace(each, status=lifecycle.take(MOVES, each.status, Step.SETTLE), paid_at=now)
        for each in standing
        if not each.due.minor
    ]
    still = [each for each in standing if each.due.minor]
    await store.save_standing(tx, [*paid, *still], now=now)
    again = [
        payable_of(each, via=payment.via, payment_method_id=payment.payment_method_id)
        for each in still
        if (payment := before.get(each.ref)) is not None and payment.status not in _FINAL and not payment.is_asked
    ]
    await payments.collect(tx, payables=again, now=now)
    await subscriptions.activate(tx, refs=subscriptions_of(paid), now=now)
    outbox.announce(tx, [paid_event(each) for each in paid], now=now)


async def _carried(tx: Tx, invoices: Sequence[Invoice], *, now: datetime) -> list[Invoice]:
    """Carry what is too little to collect to the customers' next invoices, as when an invoice is made."""
    issuers = await identity.issuers(tx, tenant_ids=sorted({each.tenant_id for each in invoices}))
    after, held = [], []
    for each in invoices:
        issuer = issuers.get(Ref(each.tenant_id, each.issuer_id)) if each.issuer_id else None
        # Of what was given up nothing is collected, with the next invoice neither.
        is_open = each.status is Status.OPEN
        over = (
            crediting.carried(each.due_minor, issuer, each.currency, is_sent=each.is_sent) if issuer and is_open else 0
        )
        if not over:
            after.append(each)
            continue
        carried = replace(each.total, minor=-over)
        held.append(
            Credit(
                tenant_id=each.tenant_id,
                id=ids.new(now),
                customer_id=each.customer_id,
                amount=carried,
                left=carried,
                granted_at=now,
                reason="carried_forward",
                source_invoice_id=each.id,
            )
        )
        applied = each.credit_applied.minor if each.credit_applied else 0
        after.append(replace(each, credit_applied=replace(each.total, minor=applied + over)))
    await store.crediting.insert(tx, held)
    await ledger.post(tx, entries=[credit_entries.granted(each, at=now) for each in held])
    return after
