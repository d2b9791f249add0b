"""Customer credit, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing.model import Credit, Invoice
from guilder.domain.invoicing.store.rows import split
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.words import Column, Words, open_words, seal_words

REASONS = Column("invoicing.credits", "reason", "t.customer_id", where="t.source_invoice_id is null")


@dataclass(frozen=True, slots=True)
class CreditUse:
    """What of a credit paid an invoice, or was paid out by a refund."""

    tenant_id: TenantId
    id: UUID
    credit_id: UUID
    customer_id: CustomerId
    amount: Money
    invoice_id: UUID | None = None
    refund_id: UUID | None = None


async def lock_left(tx: Tx, customers: Sequence[tuple[TenantId, CustomerId, str]]) -> list[Credit]:
    """Lock what is left of the credit of (tenant, customer, currency), the oldest first."""
    rows = await tx.fetch(
        """select * from invoicing.credits
           where (tenant_id, customer_id, currency) in (select * from unnest($1::uuid[], $2::uuid[], $3::text[]))
             and left_minor <> 0
           order by tenant_id, customer_id, currency, number for no key update""",
        [each[0] for each in customers],
        [each[1] for each in customers],
        [each[2] for each in customers],
    )
    return await _credits(tx, rows)


async def given_for(tx: Tx, invoices: Sequence[Ref]) -> list[tuple[Ref, Ref, int]]:
    """Return (credit, invoice, minor) of credit that is left of notes which gave lines of these invoices back: as much as
    they gave back of them, less what it has paid of them before; the oldest first.
    """
    rows = await tx.fetch(
        """select c.tenant_id, c.id, l.invoice_id, c.number,
                  -sum(n.amount_minor + n.tax_minor)::bigint
                      - coalesce((select sum(u.amount_minor) from invoicing.credit_uses u
                                   where u.tenant_id = c.tenant_id and u.credit_id = c.id
                                     and u.invoice_id = l.invoice_id and u.returned_at is null), 0)::bigint as minor
             from invoicing.lines l
             join invoicing.lines n on n.tenant_id = l.tenant_id and n.credits_line_id = l.id
             join invoicing.credits c
                 on c.tenant_id = n.tenant_id and c.source_invoice_id = n.invoice_id and c.left_minor > 0
            where (l.tenant_id, l.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
            group by c.tenant_id, c.id, l.invoice_id, c.number order by c.number""",
        *split(invoices),
    )
    return [(Ref(t := TenantId(row["tenant_id"]), row["id"]), Ref(t, row["invoice_id"]), row["minor"]) for row in rows]


async def carried_from(tx: Tx, invoices: Sequence[Invoice]) -> list[Credit]:
    """Return what these invoices carried to the next ones of their customers, below zero."""
    rows = await tx.fetch(
        """select c.* from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as i (tenant_id, id, customer_id)
             join invoicing.credits c on c.tenant_id = i.tenant_id and c.customer_id = i.customer_id
                                     and c.source_invoice_id = i.id and c.amount_minor < 0
            order by c.number""",
        *split([each.ref for each in invoices]),
        [each.customer_id for each in invoices],
    )
    return await _credits(tx, rows)


async def listing(tx: Tx, *, customer_id: CustomerId) -> list[Credit]:
    rows = await tx.fetch(
        "select * from invoicing.credits where tenant_id = $1 and customer_id = $2 order by number",
        tx.tenant_id,
        customer_id,
    )
    return await _credits(tx, rows)


async def insert(tx: Tx, held: Sequence[Credit]) -> None:
    """Write new credits, in the order in which they will be used."""
    if not held:
        return
    await tx.execute(
        """insert into invoicing.credits (tenant_id, id, customer_id, currency, amount_minor, left_minor, granted_at,
                                          reason, source_invoice_id)
           select tenant_id, id, customer_id, currency, amount, "left", granted_at, reason, source
           from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::timestamptz[],
                       $8::text[], $9::uuid[]) with ordinality
               as v (tenant_id, id, customer_id, currency, amount, "left", granted_at, reason, source, number)
           order by number""",
        *split([each.ref for each in held]),
        [each.customer_id for each in held],
        [each.amount.currency for each in held],
        [each.amount.minor for each in held],
        [each.left.minor for each in held],
        [each.granted_at for each in held],
        await _reasons(tx, held),
        [each.source_invoice_id for each in held],
    )


async def save_left(tx: Tx, held: Sequence[Credit]) -> None:
    if not held:
        return
    await tx.execute(
        """update invoicing.credits c set left_minor = v.left
           from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as v (tenant_id, id, "left")
           where c.tenant_id = v.tenant_id and c.id = v.id""",
        *split([each.ref for each in held]),
        [each.left.minor for each in held],
    )


async def insert_uses(tx: Tx, uses: Sequence[CreditUse], *, now: datetime) -> None:
    if not uses:
        return
    await tx.execute(
        """insert into invoicing.credit_uses (tenant_id, id, credit_id, invoice_id, refund_id, amount_minor, currency,
                                              used_at)
           select *, $8::timestamptz from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[],
                                                 $6::bigint[], $7::text[])""",
        [each.tenant_id for each in uses],
        [each.id for each in uses],
        [each.credit_id for each in uses],
        [each.invoice_id for each in uses],
        [each.refund_id for each in uses],
        [each.amount.minor for each in uses],
        [each.amount.currency for each in uses],
        now,
    )


async def return_uses(
    tx: Tx, *, invoices: Sequence[Ref] = (), refunds: Sequence[Ref] = (), at: datetime
) -> list[CreditUse]:
    """Give back what these invoices, or these refunds, took of credits; return what that was."""
    rows = await tx.fetch(
        """with returned as (
               update invoicing.credit_uses u set returned_at = $5
               where ((u.tenant_id, u.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
                      or (u.tenant_id, u.refund_id) in (select * from unnest($3::uuid[], $4::uuid[])))
                 and u.returned_at is null
               returning u.*),
           summed as (select tenant_id, credit_id, sum(amount_minor)::bigint as amount from returned group by 1, 2),
           given as (
               update invoicing.credits c set left_minor = c.left_minor + s.amount
               from summed s where c.tenant_id = s.tenant_id and c.id = s.credit_id
               returning c.tenant_id, c.id, c.customer_id)
           select r.*, g.customer_id from returned r
           join given g on g.tenant_id = r.tenant_id and g.id = r.credit_id order by r.tenant_id, r.id""",
        *split(invoices),
        *split(refunds),
        at,
    )
    return [
        CreditUse(
            tenant_id=TenantId(row["tenant_id"]),
            id=row["id"],
            credit_id=row["credit_id"],
            customer_id=CustomerId(row["customer_id"]),
            amount=Money(row["amount_minor"], row["currency"]),
            invoice_id=row["invoice_id"],
            refund_id=row["refund_id"],
        )
        for row in rows
    ]


async def _reasons(tx: Tx, held: Sequence[Credit]) -> list[str]:
    """Return the reasons as they are kept: what a person wrote is sealed, what an invoice left over says it itself."""
    by_people = [each for each in held if each.source_invoice_id is None]
    words = [Words(each.tenant_id, each.customer_id, REASONS.field, each.reason) for each in by_people]
    sealed = iter(await seal_words(tx, words, now=held[0].granted_at))
    return [next(sealed) if each.source_invoice_id is None else each.reason for each in held]


async def _credits(tx: Tx, rows: Sequence[Row]) -> list[Credit]:
    words = [Words(row["tenant_id"], row["customer_id"], REASONS.field, row["reason"]) for row in rows]
    return [_credit(row, said) for row, said in zip(rows, await open_words(tx, words), strict=True)]


def _credit(row: Row, reason: str) -> Credit:
    currency = row["currency"]
    return Credit(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        amount=Money(row["amount_minor"], currency),
        left=Money(row["left_minor"], currency),
        granted_at=row["granted_at"],
        reason=reason,
        source_invoice_id=row["source_invoice_id"],
    )
