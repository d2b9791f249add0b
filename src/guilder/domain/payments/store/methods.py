"""The SQL of payment methods; their tokens lie sealed under their customer's key."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.payments.model import MethodStatus, PaymentMethod
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_TOKEN = "payments.methods.sealed_token"  # noqa: S105  (what a token is sealed as)
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert(tx: Tx, method: PaymentMethod, *, token: str) -> None:
    await tx.execute(
        """insert into payments.methods (tenant_id, id, customer_id, account_id, gateway, status, sealed_token, brand,
               last4, exp_month, exp_year, is_default, decline_code, action_url, created_at, kind, label, position,
               fingerprint, wants_default, warn_due_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)""",
        method.tenant_id,
        method.id,
        method.customer_id,
        method.account_id,
        method.gateway,
        method.status.value,
        await _seal(tx, method, token),
        method.brand,
        method.last4,
        method.exp_month,
        method.exp_year,
        method.is_default,
        method.decline_code,
        method.action_url,
        method.created_at,
        method.kind,
        method.label,
        method.position,
        method.fingerprint,
        method.wants_default,
        method.warn_due_at,
    )


async def save(tx: Tx, method: PaymentMethod, *, token: str | None = None) -> None:
    """Write a method; a token that is not given stays, an empty one is forgotten."""
    await tx.execute(
        """update payments.methods set status = $3, sealed_token = coalesce($4, sealed_token), brand = $5, last4 = $6,
               exp_month = $7, exp_year = $8, is_default = $9, decline_code = $10, action_url = $11, kind = $12,
               label = $13, position = $14, fingerprint = $15, replaced_by = $16, warn_due_at = $17, told_at = $18
           where tenant_id = $1 and id = $2""",
        method.tenant_id,
        method.id,
        method.status.value,
        None if token is None else await _seal(tx, method, token),
        method.brand,
        method.last4,
        method.exp_month,
        method.exp_year,
        method.is_default,
        method.decline_code,
        method.action_url,
        method.kind,
        method.label,
        method.position,
        method.fingerprint,
        method.replaced_by,
        method.warn_due_at,
        method.told_at,
    )


async def redirect(tx: Tx, *, gone: PaymentMethod, successor: PaymentMethod) -> None:
    """Have whatever led to a method that is gone lead to its successor."""
    await tx.execute(
        "update payments.methods set replaced_by = $3 where tenant_id = $1 and (replaced_by = $2 or id = $2)",
        gone.tenant_id,
        gone.id,
        successor.id,
    )


async def lock_of(tx: Tx, customers: Sequence[Ref]) -> list[PaymentMethod]:
    """Lock all the methods of these customers: what is the default is decided over all of them."""
    rows = await tx.fetch(
        """select * from payments.methods where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           and status <> 'removed' order by tenant_id, id for update""",
        *_split(sorted(set(customers))),
    )
    return [_method_from_row(row) for row in rows]


async def get(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    rows = await tx.fetch(f"select * from payments.methods where {_NAMED}", *_split(refs))
    return {method.ref: method for method in map(_method_from_row, rows)}


# One by one by the whole key: as a plain join it could be planned as every method of the tenant beside every other, where
# statistics are old; and a coalesce PostgreSQL takes for leaky, so that row-level security keeps it from the index.
RESOLVED = """
select n.*, w.id as named
  from unnest($1::uuid[], $2::uuid[]) as w (tenant_id, id)
 cross join lateral (select case when replaced_by is null then id else replaced_by end as today
                       from payments.methods where tenant_id = w.tenant_id and id = w.id limit 1) m
 cross join lateral (select * from payments.methods where tenant_id = w.tenant_id and id = m.today limit 1) n"""


async def resolve(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    """Return what each of these is today: itself, or the same card saved anew."""
    rows = await tx.fetch(RESOLVED, *_split(refs))
    return {Ref(TenantId(row["tenant_id"]), row["named"]): _method_from_row(row) for row in rows}


async def valid_of(tx: Tx, customers: Sequence[Ref]) -> dict[Ref, list[PaymentMethod]]:
    """Return the methods that each of these customers can be charged with, in the order in which they are tried."""
    rows = await tx.fetch(
        """select * from payments.methods where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           and status = 'valid'""",
        *_split(customers),
    )
    found: dict[Ref, list[PaymentMethod]] = {ref: [] for ref in customers}
    for method in sorted(map(_method_from_row, rows), key=lambda each: each.rank):
        found[method.customer_ref].append(method)
    return found


async def claim_expiring(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[PaymentMethod]:
    rows = await tx.fetch(
        f"select * from payments.methods where {_NAMED} and warn_due_at <= $3 order by tenant_id, id"
        " for update skip locked",
        *_split(refs),
        now,
    )
    return [_method_from_row(row) for row in rows]


async def of(tx: Tx, customer_id: CustomerId) -> list[PaymentMethod]:
    rows = await tx.fetch(
        "select * from payments.methods where customer_id = $1 and status <> 'removed' order by id desc limit 200",
        customer_id,
    )
    return [_method_from_row(row) for row in rows]


async def defaults(tx: Tx, customers: Sequence[Ref]) -> dict[Ref, PaymentMethod]:
    rows = await tx.fetch(
        """select * from payments.methods where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           and is_default""",
        *_split(customers),
    )
    return {Ref(method.tenant_id, method.customer_id): method for method in map(_method_from_row, rows)}


async def tokens(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, str]:
    """Return the tokens of these methods; an erased customer's is gone."""
    rows = await tx.fetch(
        f"select tenant_id, id, customer_id, sealed_token from payments.methods where {_NAMED} and sealed_token <> ''",
        *_split(refs),
    )
    opened = await tx.vault.open_many(
        tx, [Sealed(TenantId(r["tenant_id"]), r["customer_id"], _TOKEN, r["sealed_token"]) for r in rows]
    )
    return {Ref(TenantId(r["tenant_id"]), r["id"]): text for r, text in zip(rows, opened, strict=True) if text}


async def _seal(tx: Tx, method: PaymentMethod, token: str) -> bytes:
    if not token:
        return b""
    item = Sealing(method.tenant_id, method.customer_id, _TOKEN, token)
    # Of a customer who was erased while its card was being saved nothing is kept.
    [sealed] = await tx.vault.seal_where_kept(tx, [item], now=method.created_at)
    return sealed


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _method_from_row(row: Row) -> PaymentMethod:
    return PaymentMethod(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        gateway=row["gateway"],
        account_id=row["account_id"],
        status=MethodStatus(row["status"]),
        brand=row["brand"],
        last4=row["last4"],
        exp_month=row["exp_month"],
        exp_year=row["exp_year"],
        is_default=row["is_default"],
        created_at=row["created_at"],
        decline_code=row["decline_code"],
        action_url=row["action_url"],
        kind=row["kind"],
        label=row["label"],
        position=row["position"],
        fingerprint=row["fingerprint"],
        wants_default=row["wants_default"],
        replaced_by=row["replaced_by"],
        warn_due_at=row["warn_due_at"],
        told_at=row["told_at"],
    )
