"""What invoices gave back, as money and as credit, each knowing of the other."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Draft, Invoice, InvoiceKind, Status
from guilder.domain.invoicing.rules import giving_back
from guilder.domain.invoicing.rules.giving_back import Given, Parts
from guilder.domain.invoicing.store import prepaid as prepaid_rows
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.rules import credit as credit_journal
from guilder.domain.payments import service as payments
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


async def standing(tx: Tx, *, invoice: Invoice) -> Given:
    """Return how a locked invoice stands; from here on nobody else gives money of it back."""
    found = await payments.given_back(tx, invoices=[invoice.ref], with_pending=True)
    back = (await payments.given_back(tx, invoices=[invoice.ref])).get(invoice.ref)
    documented = await store.documented(tx, [invoice.ref])
    credited = await _credited(tx, [invoice], documented)
    applied = invoice.credit_applied.minor if invoice.credit_applied else 0
    given = Given(paid=applied, credited=credited[invoice.ref], documented=documented.get(invoice.ref, 0))
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
    return replace(given, paid=given.paid + _paid_by_own_lines(invoice) - gifts.get(invoice.ref, 0))


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
    credited = await _credited(tx, invoices, documented)
    gifts = await prepaid_rows.gifts(tx, refs)
    amounts = {
        each.ref: giving_back.withheld(
            credited[each.ref], paid_by_credit=_paid_by_credit(each) - gifts.get(each.ref, 0)
        )
        for each in invoices
        if each.kind is InvoiceKind.INVOICE and each.status is not Status.VOID
    }
    await payments.withhold(tx, amounts=amounts)


async def _withhold_of(tx: Tx, given_back: Iterable[tuple[TenantId, UUID | None]]) -> None:
    lines = sorted({Ref(tenant_id, line_id) for tenant_id, line_id in given_back if line_id is not None})
    if lines:
        await withhold(tx, refs=sorted(set((await store.invoices_of_lines(tx, lines)).values())))


def _paid_by_credit(invoice: Invoice) -> int:
    """Return what credit paid of what an invoice charges: the customer's, what its own lines give back, prepaid ones."""
    applied = invoice.credit_applied.minor if invoice.credit_applied else 0
    return applied + _paid_by_own_lines(invoice)


def _paid_by_own_lines(invoice: Invoice) -> int:
    return -sum(min(line.amount.minor + line.tax.minor, 0) for line in invoice.lines)


async def _credited(tx: Tx, invoices: Sequence[Invoice], documented: Mapping[Ref, int]) -> dict[Ref, int]:
    """Return what of each invoice's lines was given back as credit: not by owing less, nor as a mere document."""
    by_line = await store.credited(tx, [each.ref for each in invoices])
    found = {}
    for each in invoices:
        taken = -sum(net + tax for net, tax in (by_line.get(line.id, (0, 0)) for line in each.lines))
        found[each.ref] = max(taken - each.credited.minor - documented.get(each.ref, 0), 0)
    return found
