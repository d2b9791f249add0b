"""The SQL of orders."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.orders.model import Order, OrderKind, OrderStatus
from guilder.domain.subscriptions.model import Terms
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

_SELECT = """select *, metadata::text as metadata_json, pending_terms::text as pending_terms_json from orders.orders"""
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_JSON = {"pending_terms", "metadata"}
_ROW = Columns(
    {
        "tenant_id": "uuid",
        "id": "uuid",
        "customer_id": "uuid",
        "kind": "text",
        "status": "text",
        "amount_due_minor": "bigint",
        "currency": "text",
        "subscription_id": "uuid",
        "invoice_id": "uuid",
        "product_id": "uuid",
        "product_code": "text",
        "access_days": "int",
        "pending_terms": "text",
        "metadata": "text",
        "created_at": "timestamptz",
        "completed_at": "timestamptz",
        "abandon_at": "timestamptz",
    }
)
_INSERT = (
    f"insert into orders.orders ({_ROW.names}) "
    f"select {', '.join(f'{name}::jsonb' if name in _JSON else name for name in _ROW.kinds)} from {_ROW.table}"
)


async def insert(tx: Tx, orders: Sequence[Order]) -> None:
    await tx.send(_INSERT, *_ROW.of([_to_row(each) for each in orders]))


async def save(tx: Tx, orders: Sequence[Order]) -> None:
    """Write what changes of an order: how it stands, and when it is given up."""
    if orders:
        await tx.execute(
            """update orders.orders o
               set status = v.status, completed_at = v.completed_at, abandon_at = v.abandon_at
               from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
                    as v (tenant_id, id, status, completed_at, abandon_at)
               where o.tenant_id = v.tenant_id and o.id = v.id""",
            *_split([order.ref for order in orders]),
            [order.status.value for order in orders],
            [order.completed_at for order in orders],
            [order.abandon_at for order in orders],
        )


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Order]:
    return [_from_row(row) for row in await tx.fetch(f"{_SELECT} where {_NAMED}", *_split(refs))]


async def lock_by_invoice(tx: Tx, invoices: Sequence[Ref]) -> list[Order]:
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))
            order by tenant_id, id for update""",
        *_split(invoices),
    )
    return [_from_row(row) for row in rows]


class By(Enum):
    """By what orders are named."""

    ORDER = "id"
    INVOICE = "invoice_id"
    SUBSCRIPTION = "subscription_id"


async def customers_waiting(tx: Tx, by: By, refs: Sequence[Ref]) -> list[Ref]:
    """Return whose orders wait for their payment: of these, or of the changes with these invoices or of these subscriptions."""
    which = "true" if by is By.ORDER else "pending_terms is not null"
    rows = await tx.fetch(
        f"""select distinct tenant_id, customer_id from orders.orders
            where (tenant_id, {by.value}) in (select * from unnest($1::uuid[], $2::uuid[]))
              and {which} and status = 'processing'""",
        *_split(refs),
    )
    return [Ref(TenantId(row["tenant_id"]), row["customer_id"]) for row in rows]


async def lock_by_subscription(tx: Tx, subscriptions: Sequence[Ref]) -> list[Order]:
    rows = await tx.fetch(
        f"""{_SELECT} where (tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[]))
            order by tenant_id, id for update""",
        *_split(subscriptions),
    )
    return [_from_row(row) for row in rows]


async def claim_abandoned(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Order]:
    """Lock those of `refs` whose time is up and that nobody else is at."""
    rows = await tx.fetch(
        f"{_SELECT} where {_NAMED} and abandon_at <= $3 order by tenant_id, id for update skip locked",
        *_split(refs),
        now,
    )
    return [_from_row(row) for row in rows]


async def have_bought(tx: Tx, customer_ids: Sequence[CustomerId]) -> set[CustomerId]:
    """Return those customers who have bought anything at all: an order that was completed, and not for nothing."""
    rows = await tx.fetch(
        """select c.id from unnest($1::uuid[]) as c (id)
            where exists (select from orders.orders
                           where customer_id = c.id and status = 'completed' and amount_due_minor > 0)""",
        customer_ids,
    )
    return {CustomerId(row["id"]) for row in rows}


async def listing(
    tx: Tx,
    query: PageQuery,
    *,
    customer_id: UUID | None,
    subscription_id: UUID | None,
    status: OrderStatus | None,
    kind: OrderKind | None,
) -> list[Order]:
    rows = await tx.fetch(
        f"""{_SELECT} where ($1::uuid is null or customer_id = $1) and ($2::uuid is null or subscription_id = $2)
            and ($3::text is null or status = $3) and ($4::text is null or kind = $4)
            and ($5::uuid is null or id < $5) order by id desc limit $6""",
        customer_id,
        subscription_id,
        status.value if status else None,
        kind.value if kind else None,
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _to_row(order: Order) -> dict[str, Any]:
    return {
        "tenant_id": order.tenant_id,
        "id": order.id,
        "customer_id": order.customer_id,
        "kind": order.kind.value,
        "status": order.status.value,
        "amount_due_minor": order.amount_due.minor,
        "currency": order.amount_due.currency,
        "subscription_id": order.subscription_id,
        "invoice_id": order.invoice_id,
        "product_id": order.product_id,
        "product_code": order.product_code,
        "access_days": order.access_days,
        "pending_terms": _json(order.pending_terms) if order.pending_terms else None,
        "metadata": _json(order.metadata),
        "created_at": order.created_at,
        "completed_at": order.completed_at,
        "abandon_at": order.abandon_at,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _from_row(row: Row) -> Order:
    pending = row["pending_terms_json"]
    return Order(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        kind=OrderKind(row["kind"]),
        status=OrderStatus(row["status"]),
        created_at=row["created_at"],
        amount_due=Money(row["amount_due_minor"], row["currency"]),
        subscription_id=row["subscription_id"],
        invoice_id=row["invoice_id"],
        product_id=row["product_id"],
        product_code=row["product_code"],
        access_days=row["access_days"],
        pending_terms=msgspec.json.decode(pending, type=Terms) if pending else None,
        completed_at=row["completed_at"],
        abandon_at=row["abandon_at"],
        metadata=_metadata(row["metadata_json"]),
    )


def _metadata(text: str) -> Mapping[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])
