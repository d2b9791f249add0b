"""Rows of facts: accounts, grants, blocks and revocations, as they were heard.

What is asked of one product's code alone is answered from here: one step to the account, and from there one index range
each. The whole answer about a customer is one row (standings.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.entitlements.model import (
    Account,
    Block,
    Blocked,
    Grant,
    GrantKind,
    Lifting,
    LimitLeft,
    NewAccount,
    NewBlock,
    Revocation,
)
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx

GRANTS_MAX = 1_000

_GRANT: dict[str, str] = {
    "tenant_id": "uuid",
    "source_id": "uuid",
    "customer_id": "uuid",
    "kind": "text",
    "code": "text",
    "version": "int",
    "features": "text",
    "limits": "text",
    "valid_from": "timestamptz",
    "valid_until": "timestamptz",
    "is_renewing": "boolean",
    "is_suspended": "boolean",
    "invoice_id": "uuid",
    "ended_at": "timestamptz",
    "period_starts_at": "timestamptz",
}
_JSON = {"features", "limits"}
_KEPT = {"tenant_id", "source_id", "customer_id", "kind", "valid_from"}
_ARRAYS = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_GRANT.values(), start=1))
_INSERT_GRANTS = f"""
    insert into entitlements.grants as g ({", ".join(_GRANT)})
    select {", ".join(f"v.{name}::jsonb" if name in _JSON else f"v.{name}" for name in _GRANT)}
      from unnest({_ARRAYS}) as v ({", ".join(_GRANT)})
     order by v.tenant_id, v.source_id
    on conflict (tenant_id, source_id)"""
_SET = ", ".join(f"{name} = excluded.{name}" for name in _GRANT if name not in _KEPT)

_ACCOUNT = """
    select a.tenant_id, a.customer_id, a.organization_id,
           (select coalesce(jsonb_agg(to_jsonb(g)), '[]')::text
              from (select * from entitlements.grants g
                     where g.tenant_id = a.tenant_id and g.customer_id = a.customer_id and g.ended_at is null
                       and (g.kind = 'subscription' or g.valid_until is null or g.valid_until > $4)
                       and ($5::text is null or g.code = $5)
                     order by g.source_id desc limit $6) g) as grants,
           (select coalesce(jsonb_agg(to_jsonb(b) order by b.since, b.cause_id), '[]')::text
              from entitlements.blocks b
             where b.tenant_id = a.tenant_id and b.customer_id = a.customer_id and b.lifted_at is null) as blocks,
           (select coalesce(jsonb_agg(to_jsonb(r)), '[]')::text
              from entitlements.revocations r
             where r.tenant_id = a.tenant_id and r.customer_id = a.customer_id) as revocations
      from entitlements.accounts a
     where a.tenant_id = $1 and (a.customer_id = $2 or a.organization_id = $3)
     order by (a.customer_id = $2) desc nulls last limit 1"""


async def account(
    tx: Tx, *, customer_id: UUID | None, organization_id: str | None, code: str | None, now: datetime
) -> Account | None:
    """Return what is known about a customer, found by either name; of one code, if asked. An id goes before a name."""
    row = await tx.fetchrow(_ACCOUNT, tx.tenant_id, customer_id, organization_id, now, code, GRANTS_MAX)
    if row is None:
        return None
    return Account(
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        organization_id=row["organization_id"],
        grants=tuple(msgspec.json.decode(row["grants"], type=list[Grant])),
        blocks=tuple(msgspec.json.decode(row["blocks"], type=list[Block])),
        revocations=tuple(msgspec.json.decode(row["revocations"], type=list[Revocation])),
    )


async def without_account(tx: Tx, refs: Sequence[Ref]) -> list[Ref]:
    rows = await tx.fetch(
        """select w.tenant_id, w.id from unnest($1::uuid[], $2::uuid[]) as w (tenant_id, id)
            where not exists (select from entitlements.accounts a
                               where a.tenant_id = w.tenant_id and a.customer_id = w.id)""",
        *_split(refs),
    )
    return [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]


async def open_accounts(tx: Tx, accounts: Sequence[NewAccount]) -> None:
    if not accounts:
        return
    await tx.execute(
        """insert into entitlements.accounts (tenant_id, customer_id, organization_id)
           select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as v (tenant_id, customer_id, organization_id)
            order by 1, 2 on conflict do nothing""",
        [each.tenant_id for each in accounts],
        [each.customer_id for each in accounts],
        [each.organization_id for each in accounts],
    )


async def lock_grants(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Grant]:
    rows = await tx.fetch(
        """select *, features::text as features_json, limits::text as limits_json from entitlements.grants
            where (tenant_id, source_id) in (select * from unnest($1::uuid[], $2::uuid[]))
            order by tenant_id, source_id for update""",
        *_split(refs),
    )
    return {grant.ref: grant for grant in map(_grant, rows)}


async def lock_metered(tx: Tx, customers: Sequence[Ref]) -> list[Grant]:
    """Lock the open grants of these customers that have a limit which a meter counts for."""
    rows = await tx.fetch(
        """select *, features::text as features_json, limits::text as limits_json from entitlements.grants
            where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[])) and ended_at is null
              and kind = 'subscription' and limits @? '$[*] ? (@.meter != "")'
            order by tenant_id, source_id for update""",
        *_split(customers),
    )
    return [_grant(row) for row in rows]


async def save_grants(tx: Tx, grants: Sequence[Grant]) -> None:
    """Write grants as they stand now; whose they are and since when does not change."""
    if grants:
        await tx.execute(f"{_INSERT_GRANTS} do update set {_SET}", *_columns(grants))


async def insert_grants(tx: Tx, grants: Sequence[Grant]) -> set[Ref]:
    """Write new grants; return those that were not there before."""
    if not grants:
        return set()
    rows = await tx.fetch(f"{_INSERT_GRANTS} do nothing returning g.tenant_id, g.source_id", *_columns(grants))
    return {Ref(TenantId(row["tenant_id"]), row["source_id"]) for row in rows}


async def of_invoices(tx: Tx, refs: Sequence[Ref]) -> list[Grant]:
    """Return what was bought with the invoices of these revocations, and no other one had taken back before."""
    rows = await tx.fetch(
        """with new as (
               select r.tenant_id, r.customer_id, r.invoice_id from entitlements.revocations r
                where (r.tenant_id, r.refund_id) in (select * from unnest($1::uuid[], $2::uuid[])) and not exists (
                      select from entitlements.revocations o
                       where o.tenant_id = r.tenant_id and o.customer_id = r.customer_id and o.invoice_id = r.invoice_id
                         and (o.tenant_id, o.refund_id) not in (select * from unnest($1::uuid[], $2::uuid[]))))
           select *, features::text as features_json, limits::text as limits_json from entitlements.grants
            where ended_at is null and (tenant_id, customer_id, invoice_id) in (select * from new)""",
        *_split(refs),
    )
    return [_grant(row) for row in rows]


async def insert_blocks(tx: Tx, blocks: Sequence[NewBlock]) -> set[Ref]:
    """Write blocks; return those that are new. What was lifted before it was heard of stays lifted."""
    rows = await tx.fetch(
        """insert into entitlements.blocks (tenant_id, cause_id, customer_id, reason, since)
           select v.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[])
                           as v (tenant_id, cause_id, customer_id, reason, since)
            order by v.tenant_id, v.cause_id
           on conflict (tenant_id, cause_id) do nothing returning tenant_id, cause_id""",
        [each.tenant_id for each in blocks],
        [each.cause_id for each in blocks],
        [each.customer_id for each in blocks],
        [each.reason for each in blocks],
        [each.since for each in blocks],
    )
    return {Ref(TenantId(row["tenant_id"]), row["cause_id"]) for row in rows}


async def lift(tx: Tx, liftings: Sequence[Lifting]) -> set[Ref]:
    """Lift causes, also those not heard of yet; return those that did block until now."""
    rows = await tx.fetch(
        """insert into entitlements.blocks as b (tenant_id, cause_id, customer_id, reason, since, lifted_at)
           select v.tenant_id, v.cause_id, v.customer_id, '', v.lifted_at, v.lifted_at
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[])
                  as v (tenant_id, cause_id, customer_id, lifted_at)
            order by v.tenant_id, v.cause_id
           on conflict (tenant_id, cause_id) do update set lifted_at = excluded.lifted_at where b.lifted_at is null
           returning b.tenant_id, b.cause_id, b.reason""",
        [each.tenant_id for each in liftings],
        [each.cause_id for each in liftings],
        [each.customer_id for each in liftings],
        [each.lifted_at for each in liftings],
    )
    return {Ref(TenantId(row["tenant_id"]), row["cause_id"]) for row in rows if row["reason"]}


async def that_blocked(tx: Tx, causes: Sequence[Ref]) -> set[Ref]:
    rows = await tx.fetch(
        """select tenant_id, cause_id from entitlements.blocks
            where reason <> '' and (tenant_id, cause_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *_split(causes),
    )
    return {Ref(TenantId(row["tenant_id"]), row["cause_id"]) for row in rows}


async def disputed_blocks(tx: Tx, customers: Sequence[Ref], *, reason: str) -> list[tuple[Ref, Ref]]:
    """Return (customer, cause) of what shuts these customers out for this reason."""
    rows = await tx.fetch(
        """select tenant_id, customer_id, cause_id from entitlements.blocks
           where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             and lifted_at is null and reason = $3""",
        *_split(customers),
        reason,
    )
    return [(Ref(row["tenant_id"], row["customer_id"]), Ref(row["tenant_id"], row["cause_id"])) for row in rows]


async def block_of(tx: Tx, cause_id: UUID) -> NewBlock | None:
    """Return what shuts a customer out because of this cause; None where nothing does."""
    row = await tx.fetchrow(
        """select tenant_id, customer_id, cause_id, reason, since from entitlements.blocks
            where tenant_id = $1 and cause_id = $2 and lifted_at is null""",
        tx.tenant_id,
        cause_id,
    )
    if row is None:
        return None
    return NewBlock(
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        cause_id=row["cause_id"],
        reason=row["reason"],
        since=row["since"],
    )


async def insert_revocations(tx: Tx, revocations: Sequence[Revocation]) -> set[Ref]:
    rows = await tx.fetch(
        """insert into entitlements.revocations (tenant_id, refund_id, customer_id, invoice_id, subscription_id, since,
                                                 until)
           select v.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[],
                                  $7::timestamptz[])
                  as v (tenant_id, refund_id, customer_id, invoice_id, subscription_id, since, until)
            order by v.tenant_id, v.refund_id
           on conflict (tenant_id, refund_id) do nothing returning tenant_id, refund_id""",
        [each.tenant_id for each in revocations],
        [each.refund_id for each in revocations],
        [each.customer_id for each in revocations],
        [each.invoice_id for each in revocations],
        [each.subscription_id for each in revocations],
        [each.since for each in revocations],
        [each.until for each in revocations],
    )
    return {Ref(TenantId(row["tenant_id"]), row["refund_id"]) for row in rows}


async def end_revocations(tx: Tx, ended: Mapping[Ref, datetime]) -> None:
    await tx.execute(
        """update entitlements.revocations r set until = v.until
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as v (tenant_id, refund_id, until)
            where r.tenant_id = v.tenant_id and r.refund_id = v.refund_id and r.until > v.until""",
        *_split(sorted(ended)),
        [ended[ref] for ref in sorted(ended)],
    )


async def revocations_of(tx: Tx, customers: Sequence[Ref]) -> list[tuple[Ref, Revocation]]:
    """Return what refunds took back of these customers' subscriptions, each with the one that it was taken of."""
    rows = await tx.fetch(
        """select * from entitlements.revocations
            where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
              and subscription_id is not null order by tenant_id, refund_id""",
        *_split(customers),
    )
    found = [
        Revocation(
            tenant_id=TenantId(row["tenant_id"]),
            customer_id=CustomerId(row["customer_id"]),
            refund_id=row["refund_id"],
            invoice_id=row["invoice_id"],
            subscription_id=row["subscription_id"],
            since=row["since"],
            until=row["until"],
        )
        for row in rows
    ]
    return [(Ref(each.tenant_id, each.subscription_id), each) for each in found if each.subscription_id is not None]


async def blocked(tx: Tx, query: PageQuery) -> list[Blocked]:
    """Read one more customer than the page holds, by id, the newest first."""
    rows = await tx.fetch(
        """select a.tenant_id, a.customer_id, a.organization_id, b.blocks
             from (select b.tenant_id, b.customer_id,
                          jsonb_agg(to_jsonb(b) order by b.since, b.cause_id)::text as blocks
                     from entitlements.blocks b
                    where b.tenant_id = $1 and b.lifted_at is null and ($2::uuid is null or b.customer_id < $2)
                    group by b.tenant_id, b.customer_id order by b.customer_id desc limit $3) b
             join entitlements.accounts a on a.tenant_id = b.tenant_id and a.customer_id = b.customer_id
            order by a.customer_id desc""",
        tx.tenant_id,
        query.after,
        query.limit + 1,
    )
    return [
        Blocked(
            tenant_id=TenantId(row["tenant_id"]),
            customer_id=CustomerId(row["customer_id"]),
            organization_id=row["organization_id"],
            blocks=tuple(msgspec.json.decode(row["blocks"], type=list[Block])),
        )
        for row in rows
    ]


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _columns(grants: Sequence[Grant]) -> list[list[Any]]:
    return [[_to_column(grant, name) for grant in grants] for name in _GRANT]


def _to_column(grant: Grant, name: str) -> Any:
    value = getattr(grant, name)
    if name == "kind":
        return grant.kind.value
    return msgspec.json.encode(value).decode() if name in _JSON else value


def _grant(row: Row) -> Grant:
    values = {name: row[name] for name in _GRANT if name not in _JSON}
    return Grant(
        **{**values, "kind": GrantKind(row["kind"])},
        features=msgspec.json.decode(row["features_json"], type=tuple[tuple[str, str], ...]),
        limits=msgspec.json.decode(row["limits_json"], type=tuple[LimitLeft, ...]),
    )
