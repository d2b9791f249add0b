"""Prepaid credits: given or bought beforehand, drawn by use, gone when they expire."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Caption, Draft, Invoice, LineKind, NewLine, Phrase, PrepaidGrant
from guilder.domain.invoicing.rules import prepaid as rule
from guilder.domain.invoicing.rules.prepaid import Draw
from guilder.domain.invoicing.service.finalizing import finalize
from guilder.domain.invoicing.store import prepaid as rows
from guilder.domain.invoicing.store.prepaid import Use
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import journal
from guilder.domain.payments.model import Via
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


class ExpiryIsPast(Invalid):
    """That expiry is not in the future."""

    code = "expiry_is_past"


class PrepaidIsOver(Conflict):
    """These prepaid credits have expired or were taken back."""

    code = "prepaid_credits_are_over"


class PrepaidIsUnpaid(Conflict):
    """These prepaid credits are not paid for yet: void the invoice that they are bought with."""

    code = "prepaid_credits_are_unpaid"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draft, and what prepaid credits pay of it."""

    draft: Draft
    draws: tuple[Draw, ...] = ()


async def grant(
    tx: Tx,
    *,
    customer_id: CustomerId,
    amount: Money,
    priority: int,
    expires_at: datetime | None,
    name: str,
    is_paid: bool,
    now: datetime,
) -> tuple[PrepaidGrant, Invoice | None]:
    """Grant prepaid credits to a customer: a gift, or bought (`is_paid`) with an invoice that is collected now, and good
    from when that is paid.

    :raises NotFound: no such customer
    :raises ExpiryIsPast: they would have expired already
    """
    await customers.one(tx, customer_id=customer_id)
    if expires_at is not None and expires_at <= now:
        raise ExpiryIsPast(field="expires_at")
    made = PrepaidGrant(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        customer_id=customer_id,
        amount=amount,
        left=amount,
        priority=priority,
        granted_at=now,
        expires_at=expires_at,
        is_paid=is_paid,
        name=name,
        is_usable=not is_paid,
    )
    if not is_paid:
        await rows.insert(tx, made)
        return made, None
    [invoice] = await finalize(tx, drafts=[_sale(made)], via=Via.EITHER, now=now)
    bought = replace(made, invoice_id=invoice.id)
    await rows.insert(tx, bought)
    net = invoice.subtotal
    await ledger.post(
        tx,
        entries=[
            journal.prepaid_bought(
                tenant_id=made.tenant_id, grant_id=made.id, customer_id=customer_id, amount=net, at=now
            )
        ],
    )
    return bought, invoice


async def listing(tx: Tx, *, query: PageQuery, customer_id: CustomerId) -> Page[PrepaidGrant]:
    return page_of(await rows.of_customer(tx, query, customer_id=customer_id), query, lambda each: each.id)


async def void(tx: Tx, *, grant_id: UUID, now: datetime) -> PrepaidGrant:
    """Take back what is left of a grant. What was bought is earned with that: giving the money back is another matter.

    :raises NotFound: no such grant
    :raises PrepaidIsOver: it has expired, or was taken back before
    :raises PrepaidIsUnpaid: it is bought with an invoice that is open still
    """
    found = await rows.lock(tx, [Ref(tx.tenant_id, grant_id)])
    if not found:
        raise NotFound("there are no such prepaid credits")
    if found[0].ended_at is not None:
        raise PrepaidIsOver
    if not found[0].is_usable:
        raise PrepaidIsUnpaid
    return (await _end(tx, found, at=[now]))[0]


async def expire(tx: Tx, *, refs: Sequence[Ref], spared: Collection[Ref], now: datetime) -> int:
    """End grants that have expired, but not of these customers; what is left of those that were bought is earned."""
    expired = await rows.lock_expired(tx, refs, now=now)
    found = [each for each in expired if Ref(each.tenant_id, each.customer_id) not in spared]
    await _end(tx, found, at=[each.expires_at or now for each in found])
    return len(found)


async def draw(tx: Tx, *, made: Sequence[Draft]) -> list[Drawn]:
    """Let prepaid credits pay for the use on these drafts, in order; `record` it once they are invoices.

    What is left is locked until the transaction ends: credits are never drawn twice.
    """
    owners = sorted({(each.tenant_id, each.customer_id, each.currency) for each in made if rule.wants(each)})
    left = {Ref(each.tenant_id, each.id): each for each in await rows.lock_left(tx, owners)}
    drawn = []
    for draft in made:
        own = [
            each for each in left.values() if (each.tenant_id, each.customer_id) == (draft.tenant_id, draft.customer_id)
        ]
        if not own:
            drawn.append(Drawn(draft))
            continue
        paid, draws = rule.apply(draft, own)
        for each in draws:
            before = left[each.grant.ref]
            left[each.grant.ref] = replace(before, left=before.left - each.amount)
        drawn.append(Drawn(paid, tuple(draws)))
    return drawn


async def record(tx: Tx, *, drawn: Sequence[Drawn], invoices: Sequence[Invoice], now: datetime) -> None:
    """Write down what was drawn by the invoices that these drafts became, and book what was bought as earned."""
    draws = {(each.draft.tenant_id, draw.billed_item): draw for each in drawn for draw in each.draws}
    if not draws:
        return
    found = [
        (invoice, draws[invoice.tenant_id, line.billed_item])
        for invoice in invoices
        for line in invoice.lines
        if line.kind is LineKind.PREPAID
    ]
    assert len(found) == len(draws), draws
    uses = [
        Use(
            tenant_id=invoice.tenant_id,
            id=ids.new(now),
            grant_id=each.grant.id,
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            amount=each.amount,
            is_paid=each.grant.is_paid,
        )
        for invoice, each in found
    ]
    at = [invoice.issued_at for invoice, _ in found]
    await rows.draw(tx, uses, at=at)
    await ledger.post(
        tx,
        entries=[
            journal.prepaid_drawn(
                tenant_id=use.tenant_id,
                use_id=use.id,
                grant_id=use.grant_id,
                customer_id=use.customer_id,
                amount=use.amount,
                at=when,
            )
            for use, when in zip(uses, at, strict=True)
            if use.is_paid
        ],
    )


async def invoices_voided(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> list[Use]:
    """Give back what was drawn for these invoices, and take back what was bought with them; return what was given back of
    what was bought with others."""
    returned = await _return(tx, refs, now=now)
    bought = [each for each in await rows.lock_bought(tx, refs) if each.ended_at is None]
    await rows.end(tx, [each.ref for each in bought], at=[now] * len(bought))
    await ledger.post(tx, entries=[_earned(each, at=now) for each in bought])
    return returned


async def note_made(tx: Tx, *, invoice: Invoice, now: datetime) -> list[Use]:
    """Give back what was drawn for a locked invoice, where credit notes have taken back by now all that it paid; return
    what was, of what was bought."""
    paid = [line for line in invoice.lines if line.kind is LineKind.PREPAID]
    if not paid:
        return []
    credited = await store.credited(tx, [invoice.ref])
    if any(line.amount.minor + credited.get(line.id, (0, 0))[0] for line in paid):
        return []
    return await _return(tx, [invoice.ref], now=now)


async def sold(tx: Tx, *, invoices: Sequence[Ref]) -> list[PrepaidGrant]:
    """Lock and return what was bought with these invoices, and is not over."""
    return [each for each in await rows.lock_bought(tx, invoices) if each.ended_at is None]


async def access_ended(tx: Tx, *, invoices: Sequence[Ref], now: datetime) -> None:
    """End what was bought with these invoices: its price was refunded, and what it bought with that."""
    found = await sold(tx, invoices=invoices)
    await _end(tx, found, at=[now] * len(found))


async def take_back_sold(
    tx: Tx, *, grants: Sequence[PrepaidGrant], price_back_minor: int, cause: tuple[str, UUID], now: datetime
) -> None:
    """Take of what was bought as much as is back of its price by notes and lost disputes, as far as it is left: who is not to
    pay for it, or has the money again, does not have it to use as well. What was taken before is not taken twice, and
    one cause takes once.
    """
    drawn = await rows.drawn(tx, [each.ref for each in grants])
    all_back = [each.ref for each in grants if price_back_minor >= each.amount.minor]
    # Over, and not only empty: the void of an invoice that drew it makes nothing of it usable again.
    await rows.end(tx, all_back, at=[now] * len(all_back))
    for grant in grants:
        taken = rule.to_take(grant, drawn_minor=drawn.get(grant.ref, 0), price_back_minor=price_back_minor)
        booked = await ledger.entries_about(tx, ref_id=grant.id)
        if taken.is_zero or cause in {(each.source_type, each.source_id) for each in booked}:
            continue
        await rows.take(tx, grant.ref, taken)
        entry = journal.prepaid_taken_back(
            tenant_id=grant.tenant_id,
            grant_id=grant.id,
            cause=cause,
            customer_id=grant.customer_id,
            amount=taken,
            at=now,
        )
        await ledger.post(tx, entries=[entry])


async def _return(tx: Tx, invoices: Sequence[Ref], *, now: datetime) -> list[Use]:
    returned = [each for each in await rows.return_uses(tx, invoices, now=now) if each.is_paid]
    await ledger.post(
        tx,
        entries=[
            journal.prepaid_returned(
                tenant_id=use.tenant_id,
                use_id=use.id,
                grant_id=use.grant_id,
                customer_id=use.customer_id,
                amount=use.amount,
                at=now,
            )
            for use in returned
        ],
    )
    return returned


async def _end(tx: Tx, grants: Sequence[PrepaidGrant], *, at: Sequence[datetime]) -> list[PrepaidGrant]:
    if not grants:
        return []
    await rows.end(tx, [each.ref for each in grants], at=at)
    pairs = list(zip(grants, at, strict=True))
    entries = [_earned(each, at=when) for each, when in pairs if each.is_paid and not each.left.is_zero]
    await ledger.post(tx, entries=entries)
    return [replace(each, ended_at=when, is_usable=False) for each, when in pairs]


def _earned(grant: PrepaidGrant, *, at: datetime) -> JournalEntry:
    return journal.prepaid_ended(
        tenant_id=grant.tenant_id, grant_id=grant.id, customer_id=grant.customer_id, amount=grant.left, at=at
    )


def _sale(grant: PrepaidGrant) -> Draft:
    line = NewLine(
        kind=LineKind.CHARGE,
        description=grant.name or Caption(Phrase.PREPAID_CREDITS),
        amount=grant.amount,
        unit_amount=grant.amount,
        is_discountable=False,
        billed_item=f"prepaid:{grant.id}:bought",
        explanation={
            "rule": "prepaid_credits_bought",
            "grant": str(grant.id),
            "amount": grant.amount.minor,
            "sentence": f"{grant.amount} of prepaid credits, to be used up by use.",
        },
    )
    return Draft(
        tenant_id=grant.tenant_id,
        customer_id=grant.customer_id,
        currency=grant.amount.currency,
        lines=(line,),
        issued_at=grant.granted_at,
        takes_discounts=False,
    )
