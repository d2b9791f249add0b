"""The SQL of charges that company products asked for."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from guilder.domain.orders.model import Charge, ChargeStatus
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx

_SELECT = "select *, metadata::text as metadata_json from orders.charges"


async def insert(tx: Tx, charges: Sequence[Charge], digests: Mapping[UUID, str]) -> set[UUID]:
    """Write charges that are new by (source, id); return the ids of those."""
    rows = await tx.fetch(
        """insert into orders.charges (tenant_id, id, source, source_id, digest, status, customer, product, amount_minor,
               currency, description, payment_method_id, metadata, received_at)
           select v.tenant_id, v.id, v.source, v.source_id, v.digest, 'received', v.customer, v.product, v.amount,
                  v.currency, v.description, v.method, v.metadata::jsonb, v.received_at
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
                       $9::text[], $10::text[], $11::uuid[], $12::text[], $13::timestamptz[])
               as v (tenant_id, id, source, source_id, digest, customer, product, amount, currency, description, method,
                     metadata, received_at)
           order by v.source, v.source_id, v.id
           on conflict (tenant_id, source, source_id) do nothing returning id""",
        [each.tenant_id for each in charges],
        [each.id for each in charges],
        [each.source for each in charges],
        [each.source_id for each in charges],
        [digests[each.id] for each in charges],
        [each.customer for each in charges],
        [each.product for each in charges],
        [each.amount.minor if each.amount else None for each in charges],
        [each.amount.currency if each.amount else None for each in charges],
        [each.description for each in charges],
        [each.payment_method_id for each in charges],
        [msgspec.json.encode(dict(each.metadata)).decode() for each in charges],
        [each.received_at for each in charges],
    )
    return {row["id"] for row in rows}


async def by_source(tx: Tx, charges: Sequence[Charge]) -> dict[tuple[str, str], tuple[Charge, str]]:
    """Return what stands under the (source, id) of each of these, with its digest."""
    rows = await tx.fetch(
        f"""{_SELECT} where tenant_id = $1 and (source, source_id) in (select * from unnest($2::text[], $3::text[]))""",
        tx.tenant_id,
        [each.source for each in charges],
        [each.source_id for each in charges],
    )
    return {(row["source"], row["source_id"]): (_from_row(row), row["digest"]) for row in rows}


async def lock_received(tx: Tx, refs: Sequence[Ref]) -> list[Charge]:
    """Lock those of these charges that nobody has placed yet, in the order in which they were asked for."""
    return await _lock(tx, "id", refs, "status = 'received'")


async def lock_by_order(tx: Tx, orders: Sequence[Ref]) -> list[Charge]:
    return await _lock(tx, "order_id", orders, "true")


async def lock_by_invoice(tx: Tx, invoices: Sequence[Ref]) -> list[Charge]:
    return await _lock(tx, "invoice_id", invoices, "true")


async def save(tx: Tx, charges: Sequence[Charge]) -> None:
    if charges:
        await tx.execute(
            """update orders.charges c set status = v.status, customer_id = v.customer_id, order_id = v.order_id,
                   invoice_id = v.invoice_id, reason = v.reason, decided_at = v.decided_at
               from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[],
                           $8::timestamptz[])
                   as v (tenant_id, id, status, customer_id, order_id, invoice_id, reason, decided_at)
               where c.tenant_id = v.tenant_id and c.id = v.id""",
            [each.tenant_id for each in charges],
            [each.id for each in charges],
            [each.status.value for each in charges],
            [each.customer_id for each in charges],
            [each.order_id for each in charges],
            [each.invoice_id for each in charges],
            [each.reason for each in charges],
            [each.decided_at for each in charges],
        )


async def get(tx: Tx, ref: Ref) -> Charge | None:
    row = await tx.fetchrow(f"{_SELECT} where tenant_id = $1 and id = $2", *ref)
    return _from_row(row) if row else None


async def listing(tx: Tx, query: PageQuery, *, source: str | None, status: ChargeStatus | None) -> list[Charge]:
    rows = await tx.fetch(
        f"""{_SELECT} where ($1::text is null or source = $1) and ($2::text is null or status = $2)
            and ($3::uuid is null or id < $3) order by id desc limit $4""",
        source,
        status.value if status else None,
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def _lock(tx: Tx, column: str, refs: Sequence[Ref], condition: str) -> list[Charge]:
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, {column}) in (select * from unnest($1::uuid[], $2::uuid[])) and {condition}
            order by tenant_id, id for update""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> Charge:
    amount, customer_id = row["amount_minor"], row["customer_id"]
    return Charge(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        source=row["source"],
        source_id=row["source_id"],
        customer=row["customer"],
        description=row["description"],
        received_at=row["received_at"],
        amount=None if amount is None else Money(amount, row["currency"]),
        product=row["product"],
        payment_method_id=row["payment_method_id"],
        metadata=msgspec.json.decode(row["metadata_json"], type=dict[str, str]),
        status=ChargeStatus(row["status"]),
        customer_id=None if customer_id is None else CustomerId(customer_id),
        order_id=row["order_id"],
        invoice_id=row["invoice_id"],
        reason=row["reason"],
        decided_at=row["decided_at"],
    )
