"""What subscriptions were. The database writes it down with each change; what a late run passed through, it is told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.subscriptions.model import Past, Status, Subscription, Terms
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.period import Period
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

_COLUMNS = Columns(
    {
        "tenant_id": "uuid",
        "subscription_id": "uuid",
        "status": "text",
        "terms": "text",
        "anchor_at": "timestamptz",
        "period_number": "int",
        "current_period_start": "timestamptz",
        "current_period_end": "timestamptz",
        "full_period_start": "timestamptz",
        "full_period_end": "timestamptz",
        "trial_ends_at": "timestamptz",
        "fee_from": "timestamptz",
        "usage_from": "timestamptz",
        "paused_at": "timestamptz",
        "ended_at": "timestamptz",
        "starts_at": "timestamptz",
    }
)
_STORED = [column for column in _COLUMNS.kinds if column != "starts_at"]
_INSERT = f"""insert into subscriptions.history ({", ".join(_STORED)}, at)
    select {", ".join("v.terms::jsonb" if column == "terms" else f"v.{column}" for column in _STORED)},
           subscriptions.holds_since(v.status, v.ended_at, v.paused_at, v.starts_at, v.current_period_start, v.fee_from,
                                     v.usage_from)
    from {_COLUMNS.table} order by v.nth"""


async def passed(tx: Tx, states: Sequence[Subscription]) -> None:
    """Write down what subscriptions were in between, in order: the state that they are saved in follows by itself."""
    if states:
        await tx.execute(_INSERT, *_COLUMNS.of([_to_row(each) for each in states]))


async def history(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, list[Past]]:
    """Return what these subscriptions were, oldest first."""
    rows = await tx.fetch(
        """select *, terms::text as terms_json from subscriptions.history
           where (tenant_id, subscription_id) in (select * from unnest($1::uuid[], $2::uuid[]))
           order by tenant_id, subscription_id, id""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )
    found: dict[Ref, list[Past]] = {ref: [] for ref in refs}
    for row in rows:
        past = _from_row(row)
        found[Ref(past.tenant_id, past.subscription_id)].append(past)
    return found


async def some(tx: Tx, *, after: UUID | None, limit: int) -> list[Ref]:
    """Return subscriptions of the transaction's tenants in the order of their ids, so that all can be gone through."""
    rows = await tx.fetch(
        """select tenant_id, id from subscriptions.subscriptions where $1::uuid is null or id > $1
           order by id limit $2""",
        after,
        limit,
    )
    return [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]


def _to_row(each: Subscription) -> dict[str, Any]:
    return {
        "tenant_id": each.tenant_id,
        "subscription_id": each.id,
        "status": each.status.value,
        "terms": msgspec.json.encode(each.terms).decode(),
        "anchor_at": each.anchor_at,
        "period_number": each.period_number,
        "current_period_start": each.current_period.starts_at,
        "current_period_end": each.current_period.ends_at,
        "full_period_start": each.full_period.starts_at if each.full_period else None,
        "full_period_end": each.full_period.ends_at if each.full_period else None,
        "trial_ends_at": each.trial_ends_at,
        "fee_from": each.fee_from,
        "usage_from": each.usage_from,
        "paused_at": each.paused_at,
        "ended_at": each.ended_at,
        "starts_at": each.starts_at,
    }


def _from_row(row: Row) -> Past:
    full: datetime | None = row["full_period_start"]
    return Past(
        tenant_id=TenantId(row["tenant_id"]),
        subscription_id=row["subscription_id"],
        number=row["id"],
        status=Status(row["status"]),
        terms=msgspec.json.decode(row["terms_json"], type=Terms),
        anchor_at=row["anchor_at"],
        period_number=row["period_number"],
        current_period=Period(row["current_period_start"], row["current_period_end"]),
        full_period=Period(full, row["full_period_end"]) if full else None,
        trial_ends_at=row["trial_ends_at"],
        fee_from=row["fee_from"],
        usage_from=row["usage_from"],
        paused_at=row["paused_at"],
        ended_at=row["ended_at"],
        at=row["at"],
        is_first_known=row["is_first_known"],
    )
