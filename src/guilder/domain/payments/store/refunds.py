"""The SQL of refunds, and of what a tenant's policy says about them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.payments.model import Refund, RefundStatus
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx

_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert(tx: Tx, refunds: Sequence[Refund]) -> None:
    await tx.execute(
        """insert into payments.refunds (tenant_id, id, payment_id, invoice_id, customer_id, amount_minor, currency,
               status, reason, ends_access, is_overpayment, asked_at, provider_ref, decline_code)
           select v.*, '', '' from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[],
               $7::text[], $8::text[], $9::text[], $10::boolean[], $11::boolean[], $12::timestamptz[]) as v""",
        [each.tenant_id for each in refunds],
        [each.id for each in refunds],
        [each.payment_id for each in refunds],
        [each.invoice_id for each in refunds],
        [each.customer_id for each in refunds],
        [each.amount.minor for each in refunds],
        [each.amount.currency for each in refunds],
        [each.status.value for each in refunds],
        [each.reason for each in refunds],
        [each.ends_access for each in refunds],
        [each.is_overpayment for each in refunds],
        [each.asked_at for each in refunds],
    )


async def save(tx: Tx, refunds: Sequence[Refund]) -> None:
    if not refunds:
        return
    await tx.execute(
        """update payments.refunds r set status = v.status, reason = v.reason, ends_access = v.ends_access,
               provider_ref = v.provider_ref, decline_code = v.decline_code, settled_at = v.settled_at
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[],
                       $8::timestamptz[])
               as v (tenant_id, id, status, reason, ends_access, provider_ref, decline_code, settled_at)
           where r.tenant_id = v.tenant_id and r.id = v.id""",
        *_split([each.ref for each in refunds]),
        [each.status.value for each in refunds],
        [each.reason for each in refunds],
        [each.ends_access for each in refunds],
        [each.provider_ref for each in refunds],
        [each.decline_code for each in refunds],
        [each.settled_at for each in refunds],
    )


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Refund]:
    rows = await tx.fetch(f"select * from payments.refunds where {_NAMED}", *_split(refs))
    return [_refund_from_row(row) for row in rows]


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[Refund]:
    rows = await tx.fetch(
        f"select * from payments.refunds where {_NAMED} order by tenant_id, id for update", *_split(sorted(set(refs)))
    )
    return [_refund_from_row(row) for row in rows]


async def listing(
    tx: Tx, query: PageQuery, *, customer_id: UUID | None, payment_id: UUID | None, status: str | None
) -> list[Refund]:
    rows = await tx.fetch(
        """select * from payments.refunds where ($1::uuid is null or customer_id = $1)
           and ($2::uuid is null or payment_id = $2) and ($3::text is null or status = $3)
           and ($4::uuid is null or id < $4) order by id desc limit $5""",
        customer_id,
        payment_id,
        status,
        query.after,
        query.limit + 1,
    )
    return [_refund_from_row(row) for row in rows]


async def totals(tx: Tx, invoices: Sequence[Ref]) -> list[tuple[Ref, Money]]:
    rows = await tx.fetch(
        """select p.tenant_id, p.invoice_id, p.currency, sum(p.amount_minor)::bigint as minor from payments.refunds p
            where (p.tenant_id, p.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[])) and p.status = 'succeeded' and not p.is_overpayment group by 1, 2, 3""",
        *_split(invoices),
    )
    return [(Ref(TenantId(row["tenant_id"]), row["invoice_id"]), Money(row["minor"], row["currency"])) for row in rows]


async def auto_grant_days(tx: Tx, tenant_id: TenantId) -> int:
    found = await tx.fetchval("select auto_grant_days from payments.refund_policies where tenant_id = $1", tenant_id)
    return int(found or 0)


async def save_auto_grant_days(tx: Tx, tenant_id: TenantId, *, days: int, now: datetime) -> None:
    await tx.execute(
        """insert into payments.refund_policies (tenant_id, auto_grant_days, changed_at) values ($1, $2, $3)
           on conflict (tenant_id) do update set auto_grant_days = $2, changed_at = $3""",
        tenant_id,
        days,
        now,
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _refund_from_row(row: Row) -> Refund:
    return Refund(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        payment_id=row["payment_id"],
        invoice_id=row["invoice_id"],
        customer_id=CustomerId(row["customer_id"]),
        amount=Money(row["amount_minor"], row["currency"]),
        status=RefundStatus(row["status"]),
        reason=row["reason"],
        asked_at=row["asked_at"],
        ends_access=row["ends_access"],
        settled_at=row["settled_at"],
        is_overpayment=row["is_overpayment"],
        decline_code=row["decline_code"],
        provider_ref=row["provider_ref"],
    )
