"""Rows of standings, of thresholds reached, and of settings.

A standing is what the facts of one customer amount to, as one row: the hot question reads it by one step into one index.
It is written anew from the facts, never changed by hand, while its row is held: of two transactions that change facts of
one customer, the second waits for the first and sees what it wrote.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from guilder.domain.entitlements.model import Account, Block, Grant, LimitLeft, Revocation, Settings
from guilder.domain.entitlements.store.facts import GRANTS_MAX
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.db.tx import Row, Tx

# As answers that are kept name it; see the routes.
ROOM = "entitlements"

_COLUMNS = """select tenant_id, customer_id, organization_id, grants::text as grants, blocks::text as blocks,
                     revocations::text as revocations from entitlements.standings"""
BY_ID = f"{_COLUMNS} where tenant_id = $1 and customer_id = $2"
BY_NAME = f"{_COLUMNS} where tenant_id = $1 and organization_id = $2"
BY_IDS = f"{_COLUMNS} where tenant_id = $1 and customer_id = any($2::uuid[])"
BY_NAMES = f"{_COLUMNS} where tenant_id = $1 and organization_id = any($2::text[])"
_NAMED = "(tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))"

_HOLD = f"select tenant_id, customer_id from entitlements.standings where {_NAMED} order by 1, 2 for update"
_OPEN = """
    insert into entitlements.standings (tenant_id, customer_id, organization_id, grants, blocks, revocations)
    select a.tenant_id, a.customer_id, a.organization_id, '[]', '[]', '[]' from entitlements.accounts a
     where (a.tenant_id, a.customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
     order by 1, 2 on conflict do nothing"""
_WRITE = """
    update entitlements.standings s set
           grants = (select coalesce(jsonb_agg(to_jsonb(g)), '[]')
                       from (select * from entitlements.grants g
                              where g.tenant_id = s.tenant_id and g.customer_id = s.customer_id and g.ended_at is null
                                and (g.kind = 'subscription' or g.valid_until is null or g.valid_until > $3)
                              order by g.source_id desc limit $4) g),
           blocks = (select coalesce(jsonb_agg(to_jsonb(b) order by b.since, b.cause_id), '[]')
                       from entitlements.blocks b
                      where b.tenant_id = s.tenant_id and b.customer_id = s.customer_id and b.lifted_at is null),
           revocations = (select coalesce(jsonb_agg(to_jsonb(r)), '[]')
                            from entitlements.revocations r
                           where r.tenant_id = s.tenant_id and r.customer_id = s.customer_id)
     where (s.tenant_id, s.customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
    returning tenant_id, customer_id, organization_id"""


class Threshold(NamedTuple):
    """A share of a customer's limit, in per cent, that use has come to."""

    customer: Ref
    limit: LimitLeft
    percent: int


async def project(tx: Tx, customers: Sequence[Ref], *, now: datetime) -> None:
    """Write the standings of these customers anew, from the facts as this transaction sees them."""
    wanted = sorted(set(customers))
    if not wanted:
        return
    held = await tx.fetch(_HOLD, *_split(wanted))
    if len(held) < len(wanted):
        await tx.execute(_OPEN, *_split(wanted))
        await tx.fetch(_HOLD, *_split(wanted))
    # A statement of its own: it sees what was committed while this one waited for the rows.
    for row in await tx.fetch(_WRITE, *_split(wanted), now, GRANTS_MAX):
        touch(tx, Ref(TenantId(row["tenant_id"]), row["customer_id"]), row["organization_id"])


def touch(tx: Tx, customer: Ref, *names: str) -> None:
    """Say that answers about this customer are old, under each name by which it is asked about."""
    for name in (str(customer.id), ids.to_text("cus", customer.id), *names):
        tx.touch(customer.tenant_id, f"{ROOM}:{name}")


async def standing(tx: Tx, *, customer_id: UUID | None, organization_id: str) -> Account | None:
    """Return a customer's row, found by either name; an id goes before a name. None: nothing is known yet."""
    if customer_id is not None:
        row = await tx.fetchrow(BY_ID, tx.tenant_id, customer_id)
        if row is not None:
            return _account(row)
    row = await tx.fetchrow(BY_NAME, tx.tenant_id, organization_id)
    return _account(row) if row is not None else None


async def standings_by_name(
    tx: Tx, *, customer_ids: Sequence[UUID], organization_ids: Sequence[str]
) -> tuple[dict[UUID, Account], dict[str, Account]]:
    """Return rows of the transaction's tenant by the names that are asked for: by id, and by organization id."""
    by_id = await tx.fetch(BY_IDS, tx.tenant_id, customer_ids) if customer_ids else []
    by_name = await tx.fetch(BY_NAMES, tx.tenant_id, organization_ids) if organization_ids else []
    return (
        {row["customer_id"]: _account(row) for row in by_id},
        {row["organization_id"]: _account(row) for row in by_name},
    )


async def standings(tx: Tx, customers: Sequence[Ref]) -> list[Account]:
    return [_account(row) for row in await tx.fetch(f"{_COLUMNS} where {_NAMED}", *_split(customers))]


async def reach(tx: Tx, thresholds: Sequence[Threshold], *, now: datetime) -> list[Threshold]:
    """Write that these were reached; return those that had not been in their period."""
    rows = await tx.fetch(
        """insert into entitlements.limits_reached (tenant_id, customer_id, code, period_starts_at, percent, used,
                                                    reached_at)
           select v.*, $7 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::int[], $6::numeric[])
                               as v (tenant_id, customer_id, code, period_starts_at, percent, used)
            order by 1, 2, 3, 4, 5 on conflict do nothing
           returning tenant_id, customer_id, code, percent""",
        [each.customer.tenant_id for each in thresholds],
        [each.customer.id for each in thresholds],
        [each.limit.code for each in thresholds],
        [each.limit.starts_at for each in thresholds],
        [each.percent for each in thresholds],
        [each.limit.quantity for each in thresholds],
        now,
    )
    new = {(Ref(TenantId(row["tenant_id"]), row["customer_id"]), row["code"], row["percent"]) for row in rows}
    return [each for each in thresholds if (each.customer, each.limit.code, each.percent) in new]


async def settings(tx: Tx, tenant_ids: Sequence[TenantId]) -> dict[TenantId, Settings]:
    """Return what these tenants have said; whoever said nothing is not in it."""
    rows = await tx.fetch("select * from entitlements.settings where tenant_id = any($1::uuid[])", list(tenant_ids))
    return {
        TenantId(row["tenant_id"]): Settings(
            tenant_id=TenantId(row["tenant_id"]), blocks_on_dispute=row["blocks_on_dispute"]
        )
        for row in rows
    }


async def save_settings(tx: Tx, settings: Settings, *, now: datetime) -> None:
    await tx.execute(
        """insert into entitlements.settings (tenant_id, blocks_on_dispute, changed_at) values ($1, $2, $3)
           on conflict (tenant_id) do update set blocks_on_dispute = excluded.blocks_on_dispute,
                                                 changed_at = excluded.changed_at""",
        settings.tenant_id,
        settings.blocks_on_dispute,
        now,
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def _account(row: Row) -> Account:
    return Account(
        tenant_id=TenantId(row["tenant_id"]),
        customer_id=CustomerId(row["customer_id"]),
        organization_id=row["organization_id"],
        grants=tuple(msgspec.json.decode(row["grants"], type=list[Grant])),
        blocks=tuple(msgspec.json.decode(row["blocks"], type=list[Block])),
        revocations=tuple(msgspec.json.decode(row["revocations"], type=list[Revocation])),
    )
