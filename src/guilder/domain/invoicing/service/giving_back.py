"""What invoices gave back, as money and as credit, each knowing of the other."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Draft, Invoice, InvoiceKind, Status
from guilder.domain.invoicing.rules import correcting, giving_back
from guilder.domain.invoicing.rules.giving_back import Given, Parts
from guilder.domain.invoicing.store import prepaid as prepaid_rows
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.rules import credit as credit_journal
from guilder.domain.payments import service as payments
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx

# By line: (net, tax) of what credits it, as it stands on the credits.
_Credited = Mapping[UUID, tuple[int, int]]


async def standing(tx: Tx, *, invoice: Invoice) -> Given:
    """Return how a locked invoice stands; from here on nobody else gives money of it back."""
    found = await payments.given_back(tx, invoices=[invoice.ref], with_pending=True)
    back = (await payments.given_back(tx, invoices=[invoice.ref])).get(invoice.ref)
    documented = (await store.documented(tx, [invoice.ref])).get(invoice.ref, 0)
    credited = _credited(invoice, await store.credited(tx, [invoice.ref]), documented)
    applied = invoice.credit_applied.minor if invoice.credit_applied else 0
    given = Given(paid=applied, credited=credited, documented=documented)
    if back is None:
        return given
    return replace(
        given,
        paid=applied + back.captured.minor,
        refunded=found[invoice.ref].refunded.minor,
        back=back.refunded.minor,
        disputed=back.disputed.minor,
        lost=back.lost.minor,
    )


async def standing_with_own(tx: Tx, *, invoice: Invoice) -> Given:
    """Return how a locked invoice stands, with what its own lines paid of it, as of an upgrade: what ends gives that back,
    too. Nobody paid for a gift of prepaid credits."""
    given = await standing(tx, invoice=invoice)
    gifts = await prepaid_rows.gifts(tx, [invoice.ref])
    own = _paid_by_own_lines(invoice, await store.credited(tx, [invoice.ref]))
    return replace(given, paid=given.paid + own - gifts.get(invoice.ref, 0))


async def lost_to_document(tx: Tx, *, invoice: Invoice) -> int:
    """Return what banks took of an invoice for good and no note documents yet, in minor units."""
    back = (await payments.given_back(tx, invoices=[invoice.ref])).get(invoice.ref)
    documented = (await store.documented(tx, [invoice.ref])).get(invoice.ref, 0)
    if back is None:
        return 0
    return Given(paid=0, back=back.refunded.minor, lost=back.lost.minor, documented=documented).lost_to_document


async def gone(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, Fraction]:
    """Return by line which part of it went back without a note; from here on nobody else gives money of these invoices back.

    What an invoice itself says of refunds it has only heard of when they were done: one on its way would be given back
    a second time, as credit. What a note documents is credited on the lines that it names.
    """
    back = await payments.given_back(tx, invoices=invoices, with_pending=True)
    return await _parts_gone(tx, {ref: each.refunded.minor + each.disputed.minor for ref, each in back.items()})


async def gone_for_good(tx: Tx, *, invoices: Sequence[Ref]) -> dict[Ref, Fraction]:
    """Return what `gone` does without what may come back: a refund on its way may fail, and an open dispute be won."""
    back = await payments.given_back(tx, invoices=invoices)
    return await _parts_gone(tx, {ref: each.refunded.minor + each.lost.minor for ref, each in back.items()})


async def _parts_gone(tx: Tx, came_to: Mapping[Ref, int]) -> dict[Ref, Fraction]:
    money = {ref: minor for ref, minor in came_to.items() if minor}
    if not money:
        return {}
    documented = await store.documented(tx, sorted(money))
    charged = await store.charged(tx, sorted(money))
    left = {ref: minor - documented.get(ref, 0) for ref, minor in money.items()}
    return {
        line: part
        for ref, minor in left.items()
        if minor > 0
        for line, part in giving_back.gone(minor, charged.get(ref, [])).items()
    }


async def book_document(tx: Tx, *, invoice: Invoice, note: Invoice, parts: Parts, now: datetime) -> None:
    """Let a note document what of its invoice was given back before."""
    if not parts.documented:
        return
    booked = credit_journal.credit_note_of_refund(
        tenant_id=note.tenant_id,
        note_id=note.id,
        customer_id=note.customer_id,
        amount=replace(note.total, minor=parts.documented),
        lost=replace(note.total, minor=parts.losses),
        at=now,
    )
    await ledger.post(tx, entries=[booked])
    await store.add_documented(tx, invoice.ref, parts.documented)


async def tell_payments(tx: Tx, *, drafts: Sequence[Draft]) -> None:
    """Say of the invoices whose lines these drafts give back what of their money is not refunded any more."""
    await _withhold_of(tx, [(each.tenant_id, line.credits_line_id) for each in drafts for line in each.lines])


async def tell_payments_of_void(tx: Tx, *, invoices: Sequence[Invoice]) -> None:
    """Say of the invoices whose lines these gave back, void by now, what of their money can be refunded again."""
    await _withhold_of(tx, [(each.tenant_id, line.credits_line_id) for each in invoices for line in each.lines])


async def withhold(tx: Tx, *, refs: Sequence[Ref]) -> None:
    invoices = await store.get(tx, refs)
    documented = await store.documented(tx, refs)
    credited = await store.credited(tx, refs)
    gifts = await prepaid_rows.gifts(tx, refs)
    amounts = {
        each.ref: giving_back.withheld(
            _credited(each, credited, documented.get(each.ref, 0)),
            paid_by_credit=_paid_by_credit(each, credited) - gifts.get(each.ref, 0),
        )
        for each in invoices
        if each.kind is InvoiceKind.INVOICE and each.status is not Status.VOID
    }
    await payments.withhold(tx, amounts=amounts)


async def _withhold_of(tx: Tx, given_back: Iterable[tuple[TenantId, UUID | None]]) -> None:
    lines = sorted({Ref(tenant_id, line_id) for tenant_id, line_id in given_back if line_id is not None})
    if lines:
        # What is a credit itself, and is taken back, was given back of another invoice.
        lines = sorted({*lines, *await store.credited_by(tx, lines)})
        await withhold(tx, refs=sorted(set((await store.invoices_of_lines(tx, lines)).values())))


def _paid_by_credit(invoice: Invoice, credited: _Credited) -> int:
    """Return what credit paid of what an invoice charges: the customer's, what its own lines give back, prepaid ones."""
    applied = invoice.credit_applied.minor if invoice.credit_applied else 0
    # Credit below zero pays for nothing: what was carried to this invoice came in with its money.
    return max(applied, 0) + _paid_by_own_lines(invoice, credited)


def _paid_by_own_lines(invoice: Invoice, credited: _Credited) -> int:
    """Return what its own lines pay of an invoice: less what notes took back of them, which pays for nothing any more."""
    left = correcting.left_of(invoice, credited)
    return -sum(min(each.gross, 0) for each in left if each.line.amount.minor + each.line.tax.minor < 0)


def _credited(invoice: Invoice, credited: _Credited, documented_minor: int) -> int:
    """Return what of an invoice's lines was given back as credit: not by owing less, nor as a mere document."""
    taken = -sum(net + tax for net, tax in (credited.get(line.id, (0, 0)) for line in invoice.lines))
    return max(taken - invoice.credited.minor - documented_minor, 0)
