"""Prepaid credits: what was granted, what is left, and what was drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing.model import PrepaidGrant
from guilder.domain.invoicing.store.rows import NAMED, TAKEN_BACK, split
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx

_SELECT = """select g.*, i.status as invoice_status, i.paid_at as invoice_paid_at from invoicing.prepaid_grants g
             left join invoicing.invoices i on i.tenant_id = g.tenant_id and i.id = g.invoice_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    tenant_id: TenantId
    id: UUID
    grant_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    amount: Money
    is_paid: bool  # of a grant that was bought, and is not over: one that is over was earned with that
    sold_on: UUID | None = None  # the invoice that it was bought with


async def insert(tx: Tx, grant: PrepaidGrant) -> None:
    await tx.execute(
        """insert into invoicing.prepaid_grants (tenant_id, id, customer_id, name, currency, amount_minor, left_minor,
               priority, granted_at, expires_at, invoice_id)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        grant.tenant_id,
        grant.id,
        grant.customer_id,
        grant.name,
        grant.amount.currency,
        grant.amount.minor,
        grant.left.minor,
        grant.priority,
        grant.granted_at,
        grant.expires_at,
        grant.invoice_id,
    )


async def lock_left(tx: Tx, owners: Sequence[tuple[TenantId, CustomerId, str]]) -> list[PrepaidGrant]:
    """Lock what is left to these customers in these currencies; what was bought counts from when it was paid for.

    Whoever draws from the same grants waits here, and then sees what was left.
    """
    if not owners:
        return []
    rows = await tx.fetch(
        f"""{_SELECT} where (g.tenant_id, g.customer_id, g.currency) in
                (select * from unnest($1::uuid[], $2::uuid[], $3::text[]))
            and g.left_minor > 0 and g.ended_at is null and (g.invoice_id is null or i.status = 'paid')
            order by g.tenant_id, g.id for update of g""",
        [owner[0] for owner in owners],
        [owner[1] for owner in owners],
        [owner[2] for owner in owners],
    )
    return [_from_row(row) for row in rows]


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[PrepaidGrant]:
    named = NAMED.replace("tenant_id, id", "g.tenant_id, g.id", 1)
    rows = await tx.fetch(f"{_SELECT} where {named} order by g.tenant_id, g.id for update of g", *split(refs))
    return [_from_row(row) for row in rows]


async def expiries(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, datetime]:
    """Return until when, at the latest, those of these grants were good that are not over, by customer."""
    rows = await tx.fetch(
        f"""select tenant_id, customer_id, max(expires_at) as until from invoicing.prepaid_grants
            where {NAMED} and ended_at is null and expires_at is not null group by tenant_id, customer_id""",
        *split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["customer_id"]): row["until"] for row in rows}


async def gifts(tx: Tx, invoices: Sequence[Ref]) -> dict[Ref, int]:
    """Return what of these invoices prepaid credits pay for that nobody had paid for, with its tax, in minor units: less
    what notes took back of it."""
    rows = await tx.fetch(
        f"""select d.tenant_id, d.invoice_id,
                  -sum(d.amount_minor + d.tax_minor + coalesce(taken.net + taken.tax, 0))::bigint as minor
           from invoicing.lines d
           {TAKEN_BACK.format(credit="d")}
           join invoicing.prepaid_grants g
               on g.tenant_id = d.tenant_id and g.id = (d.explanation ->> 'grant')::uuid and g.invoice_id is null
           where (d.tenant_id, d.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and d.kind = 'prepaid'
           group by d.tenant_id, d.invoice_id""",
        *split(invoices),
    )
    return {Ref(TenantId(row["tenant_id"]), row["invoice_id"]): row["minor"] for row in rows}


async def lock_expired(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[PrepaidGrant]:
    named = NAMED.replace("tenant_id, id", "g.tenant_id, g.id", 1)
    rows = await tx.fetch(
        f"""{_SELECT} where {named} and g.ended_at is null and g.expires_at <= $3
            order by g.tenant_id, g.id for update of g skip locked""",
        *split(refs),
        now,
    )
    return [_from_row(row) for row in rows]


async def lock_bought(tx: Tx, invoices: Sequence[Ref]) -> list[PrepaidGrant]:
    """Lock what was bought with these invoices."""
    rows = await tx.fetch(
        f"""{_SELECT} where (g.tenant_id, g.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
            order by g.tenant_id, g.id for update of g""",
        *split(invoices),
    )
    return [_from_row(row) for row in rows]


async def sellers(tx: Tx, invoices: Sequence[Ref]) -> list[Ref]:
    """Return those of these invoices that sold a grant which is not over."""
    rows = await tx.fetch(
        """select distinct tenant_id, invoice_id from invoicing.prepaid_grants
           where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and ended_at is null
           order by tenant_id, invoice_id""",
        *split(invoices),
    )
    return [Ref(TenantId(row["tenant_id"]), row["invoice_id"]) for row in rows]


async def drawn(tx: Tx, grants: Sequence[Ref]) -> dict[Ref, int]:
    """Return what invoices that stand drew of these grants, in minor units."""
    rows = await tx.fetch(
        """select tenant_id, grant_id, sum(amount_minor)::bigint as minor from invoicing.prepaid_uses
           where (tenant_id, grant_id) in (select * from unnest($1::uuid[], $2::uuid[])) and returned_at is null
           group by tenant_id, grant_id""",
        *split(grants),
    )
    return {Ref(TenantId(row["tenant_id"]), row["grant_id"]): row["minor"] for row in rows}


async def of_customer(tx: Tx, query: PageQuery, *, customer_id: CustomerId) -> list[PrepaidGrant]:
    rows = await tx.fetch(
        f"""{_SELECT} where g.tenant_id = $1 and g.customer_id = $2 and ($3::uuid is null or g.id < $3)
            order by g.id desc limit $4""",
        tx.tenant_id,
        customer_id,
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def draw(tx: Tx, uses: Sequence[Use], *, at: Sequence[datetime]) -> None:
    """Write what was drawn, and take it from what is left; the database refuses more than there is."""
    await tx.execute(
        """insert into invoicing.prepaid_uses (tenant_id, id, grant_id, invoice_id, amount_minor, used_at)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::timestamptz[])""",
        *_columns(uses),
        list(at),
    )
    await _move(tx, {each: -minor for each, minor in _sums(uses).items()})


async def return_uses(tx: Tx, invoices: Sequence[Ref], *, now: datetime) -> list[Use]:
    """Give back what was drawn for these invoices; return it. Twice gives it back once."""
    rows = await tx.fetch(
        """with returned as (
               update invoicing.prepaid_uses set returned_at = $3
               where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and returned_at is null
               returning *)
           select r.*, g.customer_id, g.currency, g.invoice_id as sold_on,
                  g.invoice_id is not null and g.ended_at is null as is_paid
           from returned r join invoicing.prepaid_grants g on g.tenant_id = r.tenant_id and g.id = r.grant_id
           order by r.tenant_id, r.id""",
        *split(invoices),
        now,
    )
    uses = [
        Use(
            tenant_id=TenantId(row["tenant_id"]),
            id=row["id"],
            grant_id=row["grant_id"],
            invoice_id=row["invoice_id"],
            customer_id=CustomerId(row["customer_id"]),
            amount=Money(row["amount_minor"], row["currency"]),
            is_paid=row["is_paid"],
            sold_on=row["sold_on"],
        )
        for row in rows
    ]
    await _move(tx, _sums(uses))
    return uses


async def take(tx: Tx, ref: Ref, amount: Money) -> None:
    """Take of a locked grant what will not be drawn any more."""
    await tx.execute(
        "update invoicing.prepaid_grants set left_minor = left_minor - $3 where tenant_id = $1 and id = $2",
        *ref,
        amount.minor,
    )


async def end(tx: Tx, refs: Sequence[Ref], *, at: Sequence[datetime]) -> None:
    await tx.execute(
        """update invoicing.prepaid_grants g set ended_at = v.at
           from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, id, at)
           where g.tenant_id = v.tenant_id and g.id = v.id""",
        *split(refs),
        list(at),
    )


async def _move(tx: Tx, by: Mapping[Ref, int]) -> None:
    if not by:
        return
    refs = sorted(by)
    await tx.execute(
        """update invoicing.prepaid_grants g set left_minor = g.left_minor + v.minor
           from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as v (tenant_id, id, minor)
           where g.tenant_id = v.tenant_id and g.id = v.id""",
        *split(refs),
        [by[ref] for ref in refs],
    )


def _sums(uses: Sequence[Use]) -> dict[Ref, int]:
    sums: dict[Ref, int] = {}
    for each in uses:
        ref = Ref(each.tenant_id, each.grant_id)
        sums[ref] = sums.get(ref, 0) + each.amount.minor
    return sums


def _columns(uses: Sequence[Use]) -> list[list[object]]:
    return [
        [each.tenant_id for each in uses],
        [each.id for each in uses],
        [each.grant_id for each in uses],
        [each.invoice_id for each in uses],
        [each.amount.minor for each in uses],
    ]


def _from_row(row: Row) -> PrepaidGrant:
    currency = row["currency"]
    return PrepaidGrant(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        amount=Money(row["amount_minor"], currency),
        left=Money(row["left_minor"], currency),
        priority=row["priority"],
        granted_at=row["invoice_paid_at"] or row["granted_at"],
        expires_at=row["expires_at"],
        is_paid=row["invoice_id"] is not None,
        name=row["name"],
        invoice_id=row["invoice_id"],
        ended_at=row["ended_at"],
        is_usable=row["ended_at"] is None and (row["invoice_id"] is None or row["invoice_status"] == "paid"),
    )
