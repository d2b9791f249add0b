"""The SQL of payments: attempts to collect."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from guilder.domain.payments.model import Payment, PaymentMethod, Status, Via
from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

# The columns that change after the insert, with the type that unnest needs, in one place for both statements.
_CHANGING: dict[str, str] = {
    "status": "text",
    "via": "text",
    "gateway": "text",
    "account_id": "uuid",
    "payment_method_id": "uuid",
    "provider_ref": "text",
    "charge_ref": "text",
    "decline_code": "text",
    "is_hard_decline": "boolean",
    "brand": "text",
    "last4": "text",
    "action_url": "text",
    "opened_at": "timestamptz",
    "alert": "text",
    "holds_invoice": "boolean",
    "is_overpayment": "boolean",
    "again_via": "text",
    "again_method_id": "uuid",
    "settled_at": "timestamptz",
    "check_due_at": "timestamptz",
    "route": "text",
    "label": "text",
}
_FIXED: dict[str, str] = {
    "tenant_id": "uuid",
    "id": "uuid",
    "invoice_id": "uuid",
    "customer_id": "uuid",
    "attempt": "int",
    "business_key": "text",
    "amount_minor": "bigint",
    "currency": "text",
    "description": "text",
    "claim": "text",
    "requested_at": "timestamptz",
}
_ALL = Columns({**_FIXED, **_CHANGING})
# What a payment calls as its row does.
_SAME = [name for name in _ALL.kinds if name not in {"amount_minor", "currency"}]
_same = attrgetter(*_SAME)
_KEYED = Columns({"tenant_id": "uuid", "id": "uuid", **_CHANGING})


_INSERT = f"""insert into payments.payments ({_ALL.names}) select {", ".join(f"v.{each}" for each in _ALL.kinds)}
    from {_ALL.table} order by v.tenant_id, v.invoice_id on conflict do nothing returning tenant_id, id"""
_UPDATE = (
    "update payments.payments p set "
    + ", ".join(f"{column} = v.{column}" for column in _CHANGING)
    + f", moved_at = case when p.status <> v.status then ${len(_KEYED.kinds) + 1}::timestamptz else p.moved_at end"
    + f" from {_KEYED.table} where p.tenant_id = v.tenant_id and p.id = v.id"
)
# Recomputed, not counted up: what was given back of it, or is on its way.
_REFUNDED = """(select coalesce(sum(r.amount_minor), 0)::bigint from payments.refunds r where r.tenant_id = p.tenant_id
    and r.payment_id = p.id and r.status in ('pending', 'succeeded'))"""
_DISPUTED = """(select coalesce(sum(d.amount_minor), 0)::bigint from payments.disputes d where d.tenant_id = p.tenant_id
    and d.payment_id = p.id and d.status in ('open', 'lost'))"""
_BACK = f"{_REFUNDED} as refunded_minor, {_DISPUTED} as disputed_minor"
_SELECT = f"select p.*, {_BACK} from payments.payments p"
_P_NAMED = "(p.tenant_id, p.id) in (select * from unnest($1::uuid[], $2::uuid[]))"
_OF_INVOICES = "(p.tenant_id, p.invoice_id) in (select * from unnest($1::uuid[], $2::uuid[]))"

# Key by key: as plain joins it could be planned as a tenant's payments beside all of them beside all of them, where they
# are many more than they were when it was planned, and nobody has counted them since.
TOLD = f"""
with told as materialized (
    select t.tenant_id, t.id, t.invoice_id
      from unnest($1::uuid[], $2::text[]) as w (tenant_id, business_key)
     cross join lateral (select * from payments.payments
                          where tenant_id = w.tenant_id and business_key = w.business_key limit 1) t),
named as materialized (
    select tenant_id, id from told
     union
    select h.tenant_id, h.id from told
     cross join lateral (select * from payments.payments
                          where tenant_id = told.tenant_id and invoice_id = told.invoice_id and holds_invoice limit 1) h)
select p.*, {_BACK} from (select * from named order by tenant_id, id) n
 cross join lateral (select * from payments.payments
                      where tenant_id = n.tenant_id and id = n.id limit 1 for update) p"""


async def insert(tx: Tx, payments: Sequence[Payment]) -> set[Ref]:
    """Write new payments; return which were: an invoice that is held, or whose attempt is there, takes no other."""
    rows = await tx.fetch(_INSERT, *_ALL.of([_to_row(each) for each in payments]))
    return {Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}


async def save(tx: Tx, payments: Sequence[Payment], *, now: datetime) -> None:
    """Write payments; those that let their invoice go come first, since only one may hold it at a time."""
    for batch in ([p for p in payments if not p.holds_invoice], [p for p in payments if p.holds_invoice]):
        if batch:
            await tx.execute(_UPDATE, *_KEYED.of([_to_row(each) for each in batch]), now)


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Payment]:
    return [_from_row(row) for row in await tx.fetch(f"{_SELECT} where {_P_NAMED}", *_split(refs))]


async def lock(tx: Tx, refs: Sequence[Ref]) -> list[Payment]:
    rows = await tx.fetch(
        f"{_SELECT} where {_P_NAMED} order by p.tenant_id, p.id for update of p", *_split(sorted(set(refs)))
    )
    return [_from_row(row) for row in rows]


async def lock_holders(tx: Tx, invoices: Sequence[Ref]) -> dict[Ref, Payment]:
    """Lock the payments that hold these invoices: in flight, or paid."""
    rows = await tx.fetch(
        f"{_SELECT} where {_OF_INVOICES} and p.holds_invoice order by p.tenant_id, p.id for update of p",
        *_split(sorted(set(invoices))),
    )
    return {payment.invoice_ref: payment for payment in map(_from_row, rows)}


async def lock_told(tx: Tx, keys: Sequence[tuple[TenantId, str]]) -> list[Payment]:
    """Lock the payments of these business keys, and those that hold the same invoices, in one order."""
    rows = await tx.fetch(TOLD, [tenant_id for tenant_id, _ in keys], [key for _, key in keys])
    return [_from_row(row) for row in rows]


async def by_key(tx: Tx, keys: Sequence[tuple[TenantId, str]]) -> list[Payment]:
    rows = await tx.fetch(
        f"{_SELECT} where (p.tenant_id, p.business_key) in (select * from unnest($1::uuid[], $2::text[]))",
        [tenant_id for tenant_id, _ in keys],
        [key for _, key in keys],
    )
    return [_from_row(row) for row in rows]


async def by_charge(tx: Tx, account: Ref, charge_refs: Sequence[str]) -> list[Payment]:
    """Return the payments of this account that its provider calls so."""
    rows = await tx.fetch(
        f"{_SELECT} where p.tenant_id = $1 and p.account_id = $2 and p.charge_ref <> '' and p.charge_ref = any ($3::text[])",
        *account,
        list(charge_refs),
    )
    return [_from_row(row) for row in rows]


async def settled_at(tx: Tx, account: Ref, *, since: datetime, until: datetime) -> list[Payment]:
    """Return what came in through this account over a time."""
    rows = await tx.fetch(
        f"""{_SELECT} where p.tenant_id = $1 and p.account_id = $2 and p.status = 'succeeded'
              and p.settled_at >= $3 and p.settled_at < $4""",
        *account,
        since,
        until,
    )
    return [_from_row(row) for row in rows]


async def last_attempts(tx: Tx, invoices: Sequence[Ref]) -> dict[Ref, int]:
    rows = await tx.fetch(
        f"""select p.tenant_id, p.invoice_id, max(p.attempt) as attempt from payments.payments p
            where {_OF_INVOICES} group by 1, 2""",
        *_split(invoices),
    )
    return {Ref(TenantId(row["tenant_id"]), row["invoice_id"]): row["attempt"] for row in rows}


async def current(tx: Tx, invoices: Sequence[Ref]) -> dict[Ref, Payment]:
    """Return each invoice's payment that counts: the one that holds it, else the latest attempt."""
    rows = await tx.fetch(
        f"""select distinct on (p.tenant_id, p.invoice_id) p.*, {_BACK} from payments.payments p
            where {_OF_INVOICES} order by p.tenant_id, p.invoice_id, p.holds_invoice desc, p.attempt desc""",
        *_split(invoices),
    )
    return {payment.invoice_ref: payment for payment in map(_from_row, rows)}


async def listing(
    tx: Tx,
    query: PageQuery,
    *,
    customer_id: UUID | None,
    invoice_id: UUID | None,
    status: str | None,
    gateway: str | None,
    since: datetime | None,
    until: datetime | None,
) -> list[Payment]:
    """Return attempts, newest first; those requested from `since` up to but not including `until`."""
    rows = await tx.fetch(
        f"""{_SELECT} where ($1::uuid is null or p.customer_id = $1) and ($2::uuid is null or p.invoice_id = $2)
            and ($3::text is null or p.status = $3) and ($4::uuid is null or p.id < $4)
            and ($6::text is null or p.gateway = $6) and ($7::timestamptz is null or p.requested_at >= $7)
            and ($8::timestamptz is null or p.requested_at < $8) and ($9::uuid is null or p.id >= $9)
            order by p.id desc limit $5""",
        customer_id,
        invoice_id,
        status,
        query.after,
        query.limit + 1,
        gateway,
        since,
        until,
        # It is made when it is requested: so nothing before that is looked through.
        None if since is None else ids.first_of(since),
    )
    return [_from_row(row) for row in rows]


async def states(tx: Tx, ref: Ref) -> list[tuple[str, str, datetime]]:
    """Return every move of a payment, oldest first: from, to, when."""
    rows = await tx.fetch(
        """select from_status, to_status, at from payments.states where tenant_id = $1 and payment_id = $2
           order by id""",
        ref.tenant_id,
        ref.id,
    )
    return [(row["from_status"], row["to_status"], row["at"]) for row in rows]


async def tried_methods(tx: Tx, invoices: Sequence[Ref]) -> list[tuple[Ref, Ref, UUID | None]]:
    """Return, for each attempt at these invoices: the invoice, its customer, and the method that it was made with."""
    rows = await tx.fetch(
        f"""select p.tenant_id, p.invoice_id, p.customer_id, coalesce(m.replaced_by, p.payment_method_id) as method_id
            from payments.payments p
            left join payments.methods m on m.tenant_id = p.tenant_id and m.id = p.payment_method_id
            where {_OF_INVOICES}""",
        *_split(invoices),
    )
    return [
        (Ref(tenant_id, row["invoice_id"]), Ref(tenant_id, row["customer_id"]), row["method_id"])
        for row in rows
        for tenant_id in (TenantId(row["tenant_id"]),)
    ]


async def was_refused_for_good(tx: Tx, method: PaymentMethod) -> bool:
    """Say whether the last that was decided of this method's charges is a decline after which no other try is of use."""
    return bool(
        await tx.fetchval(
            """select status = 'declined' and is_hard_decline from payments.payments
                where tenant_id = $1 and customer_id = $2 and payment_method_id = $3 and status in ('succeeded', 'declined')
                order by id desc limit 1""",
            method.tenant_id,
            method.customer_id,
            method.id,
        )
    )


async def claim_stale(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Payment]:
    rows = await tx.fetch(
        f"""{_SELECT} where {_P_NAMED} and p.check_due_at <= $3
            order by p.tenant_id, p.id for update of p skip locked""",
        *_split(refs),
        now,
    )
    return [_from_row(row) for row in rows]


async def succeeded_totals(tx: Tx, invoices: Sequence[Ref]) -> list[tuple[Ref, Money]]:
    """Sum what came in for each invoice, beside what was captured twice and goes back."""
    rows = await tx.fetch(
        f"""select p.tenant_id, p.invoice_id, p.currency, sum(p.amount_minor)::bigint as minor from payments.payments p
            where {_OF_INVOICES} and p.status = 'succeeded' and not p.is_overpayment group by 1, 2, 3""",
        *_split(invoices),
    )
    return [_total(row) for row in rows]


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _to_row(payment: Payment) -> dict[str, Any]:
    return {
        **dict(zip(_SAME, _same(payment), strict=True)),
        "amount_minor": payment.amount.minor,
        "currency": payment.amount.currency,
        "status": payment.status.value,
        "via": payment.via.value,
        "again_via": payment.again_via.value if payment.again_via else None,
    }


def _from_row(row: Row) -> Payment:
    said = {name: row[name] for name in _SAME if name != "business_key"}
    return Payment(
        **{
            **said,
            "amount": Money(row["amount_minor"], row["currency"]),
            "status": Status(row["status"]),
            "via": Via(row["via"]),
            "again_via": Via(row["again_via"]) if row["again_via"] else None,
            "refunded_minor": row["refunded_minor"],
            "disputed_minor": row["disputed_minor"],
        }
    )


def _total(row: Row) -> tuple[Ref, Money]:
    return Ref(TenantId(row["tenant_id"]), row["invoice_id"]), Money(row["minor"], row["currency"])
