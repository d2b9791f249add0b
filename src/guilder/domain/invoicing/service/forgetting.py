"""A customer's own: what it was billed handed over; what the law wants kept sealed when its customer is erased, and
forgotten when the law wants it no more. What is final keeps its number, its amounts and its seal."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from uuid import UUID

import msgspec

from guilder.domain.identity import service as identity
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Invoice
from guilder.domain.invoicing.rules import keeping
from guilder.domain.invoicing.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import NewIntent

FORGET_DOCUMENT = "invoice.forget_document"
DESTINATION = "files"
READ_AT_ONCE = 50


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    after: UUID | None = None
    while True:
        query = PageQuery(limit=READ_AT_ONCE, after=after)
        page = await store.listing(tx, query, customer_id=customer_id, subscription_id=None, status=None, kind=None)
        for each in page[:READ_AT_ONCE]:
            yield "invoices", _handed_over(each)
        if len(page) <= READ_AT_ONCE:
            break
        after = page[READ_AT_ONCE - 1].id
    for records in (forgetting.credit_records, forgetting.prepaid, forgetting.discounts):
        async for each_record in records(tx, customer_id):
            yield each_record


async def documents(tx: Tx, *, customer_id: CustomerId) -> list[tuple[UUID, str, str]]:
    """Return a customer's documents that have a file: id, number, and where it lies."""
    return await forgetting.documents(tx, customer_id)


async def open_matters(tx: Tx, *, customer: Ref) -> list[tuple[str, UUID]]:
    """Return invoices that are owed or in the making: while one is, their customer cannot be forgotten."""
    return await forgetting.open_ones(tx, customer)


async def forget_customer(tx: Tx, *, customer: Ref) -> None:
    """Keep no metadata, and no words about credit; `seal_words` does the rest."""
    await forgetting.forget(tx, customer)


async def seal_words(tx: Tx, *, customer: Ref, limit: int, now: datetime) -> int:
    """Seal what was written on some of a customer's documents under the tenant's key; return how many. Repeat until 0.

    Read again they say what they said, so their seals stay good.
    """
    return await forgetting.seal_words(tx, customer, limit=limit, now=now)


async def kept_documents(tx: Tx, *, customer: Ref) -> list[tuple[int, date]]:
    """Return how many documents of a customer the law wants kept until which day."""
    return await forgetting.kept(tx, customer)


async def date_documents(tx: Tx, *, limit: int) -> int:
    """Say of documents that were final before anybody asked until when they are kept; return how many. Repeat until 0."""
    found = await forgetting.undated(tx, limit=limit)
    if not found:
        return 0
    issuers = await identity.issuers(tx, tenant_ids=[tx.tenant_id])
    countries = {ref.id: issuer.address.country for ref, issuer in issuers.items()}
    await forgetting.date_documents(
        tx,
        {each.id: keeping.retention_until(each.issued_on, country=countries.get(each.issuer_id, "")) for each in found},
    )
    return len(found)


async def forget_documents(tx: Tx, *, on: date, also_after: date | None, limit: int, now: datetime) -> int:
    """Forget for whom old documents were and what was written on them, and have their files removed; return how many.

    `also_after`: what was issued then or later is kept all the same, by the tenant's own rule.
    """
    gone = await forgetting.forget_documents(tx, before=on, also_after=also_after, limit=limit, now=now)
    wanted = [
        NewIntent(tenant_id=ref.tenant_id, kind=FORGET_DOCUMENT, destination=DESTINATION, subject_id=ref.id)
        for ref in gone
    ]
    await intents.intend(tx, intents=wanted, now=now)
    return len(gone)


async def old_documents(tx: Tx, *, on: date, also_after: date | None, limit: int) -> int:
    """Count documents that would be forgotten, up to `limit`."""
    return await forgetting.count_documents(tx, before=on, also_after=also_after, limit=limit)


def _handed_over(invoice: Invoice) -> dict[str, object]:
    return {
        "id": str(invoice.id),
        "kind": invoice.kind.value,
        "number": invoice.number,
        "status": invoice.status.value,
        "currency": invoice.currency,
        **{f"{name}_minor": amount.minor for name, amount in _amounts(invoice).items()},
        "memo": invoice.memo,
        "seller": msgspec.to_builtins(invoice.seller),
        "buyer": msgspec.to_builtins(invoice.buyer),
        "lines": [
            {
                "description": line.description,
                "quantity": str(line.quantity),
                "amount_minor": line.amount.minor,
                "tax_minor": line.tax.minor,
                "tax_percent": str(line.tax_percent),
                "period_start": line.period.starts_at.isoformat() if line.period else None,
                "period_end": line.period.ends_at.isoformat() if line.period else None,
            }
            for line in invoice.lines
        ],
        "issued_at": invoice.issued_at.isoformat(),
        "due_at": invoice.due_at.isoformat(),
        "paid_at": invoice.paid_at.isoformat() if invoice.paid_at else None,
        "retention_until": invoice.retention_until.isoformat() if invoice.retention_until else None,
        "metadata": dict(invoice.metadata),
    }


def _amounts(invoice: Invoice) -> dict[str, Money]:
    return {
        "subtotal": invoice.subtotal,
        "tax": invoice.tax,
        "total": invoice.total,
        "paid": invoice.paid,
        "credited": invoice.credited,
        "refunded": invoice.refunded,
    }
