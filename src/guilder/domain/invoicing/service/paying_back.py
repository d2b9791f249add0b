"""Paying unused time back: what a credit note gave as credit goes on to where the money came from."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line
from guilder.domain.invoicing.service.alone import SecondPersonNeeded
from guilder.domain.invoicing.service.crediting import PAYMENTS_MAX, credits_of, pay_out_credit, that_can_go_back
from guilder.domain.invoicing.service.reading import listing
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status as PaymentStatus
from guilder.kernel.ids import Ref
from guilder.kernel.money import total
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx


async def refund_unused(
    tx: Tx,
    *,
    made: Sequence[Invoice],
    of: Collection[Ref],
    is_wished: bool = False,
    is_due: bool = False,
    now: datetime,
) -> None:
    """Pay back what the credit notes among `made` give back of these subscriptions, as far as there are payments of it;
    the rest stays the customer's credit.

    So does what is more than whoever acts may give alone: that their plan says `refund` is no second person. But what
    falls due on its date (`is_due`) nobody gives: the clock does, whoever's request comes by first.

    :raises SecondPersonNeeded: it is more than that, and whoever acts wished for it (`is_wished`)
    """
    for note in made:
        if note.kind is InvoiceKind.CREDIT_NOTE and (own := _of(note, of)):
            async with tx.only(note.tenant_id):
                try:
                    await _refund(tx, note, own, by_two=is_due, now=now)
                except SecondPersonNeeded:
                    if is_wished:
                        raise


def _of(note: Invoice, subscriptions: Collection[Ref]) -> list[Line]:
    """Return its lines of these subscriptions."""
    wanted = {ref.id for ref in subscriptions if ref.tenant_id == note.tenant_id}
    return [line for line in note.lines if line.subscription_id in wanted]


async def _refund(tx: Tx, note: Invoice, own: Sequence[Line], *, by_two: bool, now: datetime) -> None:
    came_to = -total([line.amount + line.tax for line in own], note.currency)
    paid_with = await _invoices_of(tx, own)
    query = PageQuery(limit=PAYMENTS_MAX)
    paid = await payments.history(tx, query=query, customer_id=note.customer_id, status=PaymentStatus.SUCCEEDED)
    refundable = total(
        [
            each.refundable
            for each in paid.items
            if each.invoice_id in paid_with
            and each.amount.currency == note.currency
            and each.refundable.minor > 0
            and not each.is_overpayment
        ],
        note.currency,
    )
    held = [each for each in await credits_of(tx, customer_id=note.customer_id) if each.left.currency == note.currency]
    credit = total([each.left for each in held], note.currency)
    # What made an open invoice owe less became no credit: in its stead goes back nothing that was given for other reasons.
    of_note = total([each.left for each in held if each.source_invoice_id == note.id], note.currency)
    least = min(came_to, refundable, credit, of_note)
    amount = await that_can_go_back(tx, least, issuer_id=note.issuer_id)
    if amount.minor > 0:
        await pay_out_credit(
            tx,
            customer_id=note.customer_id,
            currency=note.currency,
            amount=amount,
            reason=f"Unused time, {note.number}",
            invoices=paid_with,
            by_two=by_two,
            is_held=True,
            now=now,
        )


async def _invoices_of(tx: Tx, given_back: Sequence[Line]) -> frozenset[UUID]:
    """Return the invoices of what these lines give back: what nobody has paid for is not paid back.

    A change pays for its time with what it gives back of the time before, on the same document: what that was billed on
    belongs to it, and so on to the first.
    """
    own = sorted({line.subscription_id for line in given_back if line.subscription_id})
    found: list[Invoice] = []
    for subscription_id in own:
        query = PageQuery(limit=PAYMENTS_MAX)
        found += (await listing(tx, query=query, subscription_id=subscription_id)).items
    credited = {line.credits_line_id for line in given_back}
    paid_with: set[UUID] = set()
    while behind := [
        each for each in found if each.id not in paid_with and any(line.id in credited for line in each.lines)
    ]:
        paid_with.update(each.id for each in behind)
        credited.update(line.credits_line_id for each in behind for line in each.lines if line.subscription_id in own)
    return frozenset(paid_with)
