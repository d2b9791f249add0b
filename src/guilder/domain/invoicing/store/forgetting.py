"""What of invoices is given to whoever was billed, sealed when they are forgotten, and forgotten when it is old enough."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from guilder.domain.identity.model import Address
from guilder.domain.invoicing.model import Party
from guilder.domain.invoicing.store.crediting import REASONS
from guilder.domain.invoicing.store.rows import PARTIES, WORDS, Parties, Words
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealed, Sealing
from guilder.platform.db.words import opened

NOBODY = Party(name="", address=Address())


class Undated(NamedTuple):
    """A document whose time to be kept is still to be said."""

    id: UUID
    issuer_id: UUID
    issued_on: date


async def open_ones(tx: Tx, customer: Ref) -> list[tuple[str, UUID]]:
    rows = await tx.fetch(
        """select case when status = 'draft' then 'invoice_draft' else 'invoice_open' end as what, id
             from invoicing.invoices
            where tenant_id = $1 and customer_id = $2 and status in ('draft', 'open') order by 1 desc, 2""",
        *customer,
    )
    return [(row["what"], row["id"]) for row in rows]


async def forget(tx: Tx, customer: Ref) -> None:
    await tx.execute(
        "update invoicing.invoices set metadata = '{}' where tenant_id = $1 and customer_id = $2 and metadata <> '{}'",
        *customer,
    )
    await tx.execute(
        """update invoicing.credits set reason = ''
            where tenant_id = $1 and customer_id = $2 and source_invoice_id is null and reason <> ''""",
        *customer,
    )
    await tx.execute(
        "update invoicing.prepaid_grants set name = '' where tenant_id = $1 and customer_id = $2 and name <> ''",
        *customer,
    )


async def seal_words(tx: Tx, customer: Ref, *, limit: int, now: datetime) -> int:
    """Seal what was written on some of a customer's documents, as their parties are; return how many. Repeat until 0."""
    rows = await tx.fetch(
        """select id, memo from invoicing.invoices
            where tenant_id = $1 and customer_id = $2 and number is not null and sealed_words is null
              and forgotten_at is null order by id limit $3 for update""",
        *customer,
        limit,
    )
    ids = [row["id"] for row in rows]
    words: dict[UUID, dict[int, tuple[str, dict[str, Any]]]] = {each: {} for each in ids}
    for line in await tx.fetch(
        """select invoice_id, number, description, explanation::text as explanation from invoicing.lines
            where tenant_id = $1 and invoice_id = any($2)""",
        customer.tenant_id,
        ids,
    ):
        said = (line["description"], msgspec.json.decode(line["explanation"]))
        words[line["invoice_id"]][line["number"]] = said
    texts = [msgspec.json.encode(Words(memo=row["memo"], lines=words[row["id"]])).decode() for row in rows]
    await tx.execute(
        """update invoicing.invoices i set sealed_words = v.words, memo = ''
             from unnest($2::uuid[], $3::bytea[]) as v (id, words) where i.tenant_id = $1 and i.id = v.id""",
        customer.tenant_id,
        ids,
        await _sealed(tx, customer, WORDS, texts, now),
    )
    await _blank_lines(tx, customer.tenant_id, ids)
    return len(rows)


async def kept(tx: Tx, customer: Ref) -> list[tuple[int, date]]:
    """Return how many documents of a customer are kept until which day."""
    rows = await tx.fetch(
        """select count(*) as documents, retention_until from invoicing.invoices
            where tenant_id = $1 and customer_id = $2 and number is not null and forgotten_at is null
              and retention_until is not null group by 2 order by 2""",
        *customer,
    )
    return [(row["documents"], row["retention_until"]) for row in rows]


async def undated(tx: Tx, *, limit: int) -> list[Undated]:
    rows = await tx.fetch(
        """select id, issuer_id, issued_on from invoicing.invoices
            where tenant_id = $1 and number is not null and retention_until is null order by id limit $2""",
        tx.tenant_id,
        limit,
    )
    return [Undated(*row) for row in rows]


async def date_documents(tx: Tx, dates: Mapping[UUID, date]) -> None:
    await tx.execute(
        """update invoicing.invoices i set retention_until = v.until
             from unnest($2::uuid[], $3::date[]) as v (id, until) where i.tenant_id = $1 and i.id = v.id""",
        tx.tenant_id,
        list(dates),
        list(dates.values()),
    )


async def forget_documents(tx: Tx, *, before: date, also_after: date | None, limit: int, now: datetime) -> list[Ref]:
    """Forget the buyer and the words of documents that need not be kept on that day; return whose files may go.

    `also_after`: what was issued on that day or later is kept all the same. What is still owed is, too.
    """
    rows = await tx.fetch(
        """select id, parties from invoicing.invoices
            where tenant_id = $1 and number is not null and forgotten_at is null and retention_until <= $2
              and ($3::date is null or issued_on < $3) and status <> 'open'
            order by retention_until, id limit $4 for update skip locked""",
        tx.tenant_id,
        before,
        also_after,
        limit,
    )
    ids, tenant = [row["id"] for row in rows], Ref(tx.tenant_id, tx.tenant_id)
    opened = await tx.vault.open_many(tx, [Sealed(*tenant, PARTIES, row["parties"]) for row in rows])
    texts = [
        msgspec.json.encode(
            Parties(msgspec.json.decode(text, type=Parties).seller if text else NOBODY, NOBODY)
        ).decode()
        for text in opened
    ]
    await tx.execute(
        """update invoicing.invoices i
              set forgotten_at = $4, parties = v.parties, sealed_words = null, memo = '', metadata = '{}',
                  document_path = '', document_status = ''
             from unnest($2::uuid[], $3::bytea[]) as v (id, parties) where i.tenant_id = $1 and i.id = v.id""",
        tx.tenant_id,
        ids,
        await _sealed(tx, tenant, PARTIES, texts, now),
        now,
    )
    await _blank_lines(tx, tx.tenant_id, ids)
    return [Ref(tx.tenant_id, each) for each in ids]


async def count_documents(tx: Tx, *, before: date, also_after: date | None, limit: int) -> int:
    return int(
        await tx.fetchval(
            """select count(*) from (select from invoicing.invoices
                where tenant_id = $1 and number is not null and forgotten_at is null and retention_until <= $2
                  and ($3::date is null or issued_on < $3) and status <> 'open' limit $4) old""",
            tx.tenant_id,
            before,
            also_after,
            limit,
        )
    )


async def documents(tx: Tx, customer_id: CustomerId) -> list[tuple[UUID, str, str]]:
    """Return a customer's documents that have a file: id, number, where it lies."""
    rows = await tx.fetch(
        """select id, number, document_path from invoicing.invoices
            where tenant_id = $1 and customer_id = $2 and document_path <> '' order by id""",
        tx.tenant_id,
        customer_id,
    )
    return [(row["id"], row["number"], row["document_path"]) for row in rows]


def credit_records(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    records = portable(
        tx,
        "customer_credit",
        """select id, currency, amount_minor, left_minor, granted_at, reason, source_invoice_id
             from invoicing.credits where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )
    return opened(tx, records, subject_id=customer_id, column=REASONS)


def prepaid(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "prepaid_credit",
        """select id, name, currency, amount_minor, left_minor, granted_at, expires_at, invoice_id, ended_at
             from invoicing.prepaid_grants where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


def discounts(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "discounts",
        """select id, code, name, percent, amount_minor, currency, periods_left, subscription_id, redeemed_at, ended_at
             from invoicing.discounts where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


async def _blank_lines(tx: Tx, tenant_id: UUID, invoices: Sequence[UUID]) -> None:
    await tx.execute(
        """update invoicing.lines
              set explanation = platform.pseudonymised(explanation, description, ''), description = ''
            where tenant_id = $1 and invoice_id = any($2) and description <> ''""",
        tenant_id,
        list(invoices),
    )


async def _sealed(tx: Tx, of: Ref, field: str, texts: Sequence[str], now: datetime) -> list[bytes]:
    # Under the tenant's own key, as whatever the law wants kept.
    items = [Sealing(of.tenant_id, of.tenant_id, field, text) for text in texts]
    return await tx.vault.seal_many(tx, items, now=now)
