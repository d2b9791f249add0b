"""Promo codes, and how often each was redeemed."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from guilder.domain.catalog.model import Duration, PromoCode, PromoStatus
from guilder.domain.catalog.store.rows import json, metadata_from_row
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx

_SELECT = "select *, metadata::text as metadata_json from catalog.promo_codes"


async def insert(tx: Tx, promo: PromoCode) -> bool:
    """Write a new promo code; False if an active one has its code, in whatever capitals."""
    inserted = await tx.execute(
        """insert into catalog.promo_codes (tenant_id, id, code, name, status, percent, amount_minor, currency, duration,
                                            periods, starts_at, ends_at, redemptions, redemptions_max,
                                            redemptions_max_per_customer, plan_ids, first_purchase_only, metadata,
                                            created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18::jsonb, $19)
           on conflict (tenant_id, lower(code)) where status = 'active' do nothing""",
        promo.tenant_id,
        promo.id,
        promo.code,
        promo.name,
        promo.status.value,
        promo.percent,
        None if promo.amount is None else promo.amount.minor,
        None if promo.amount is None else promo.amount.currency,
        promo.duration.value,
        promo.periods,
        promo.starts_at,
        promo.ends_at,
        promo.redemptions,
        promo.redemptions_max,
        promo.redemptions_max_per_customer,
        list(promo.plan_ids),
        promo.first_purchase_only,
        json(promo.metadata),
        promo.created_at,
    )
    return bool(inserted)


async def one(tx: Tx, *, promo_code_id: UUID | None, code: str | None) -> PromoCode | None:
    """Return the one with this id, or the active one with this code."""
    row = await tx.fetchrow(
        f"{_SELECT} where id = $1 or (lower(code) = lower($2) and status = 'active')", promo_code_id, code
    )
    return _from_row(row) if row else None


async def page(tx: Tx, query: PageQuery, *, archived: bool) -> list[PromoCode]:
    rows = await tx.fetch(
        f"""{_SELECT} where ($1 or status = 'active') and ($2::uuid is null or id < $2)
            order by id desc limit $3""",
        archived,
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def lock(tx: Tx, promo_code_ids: Sequence[UUID]) -> list[PromoCode]:
    rows = await tx.fetch(
        f"{_SELECT} where id = any($1::uuid[]) order by tenant_id, id for update", list(promo_code_ids)
    )
    return [_from_row(row) for row in rows]


async def archive(tx: Tx, promo_code_id: UUID) -> bool:
    """Archive; False if it was archived already."""
    return bool(
        await tx.execute(
            "update catalog.promo_codes set status = 'archived' where id = $1 and status = 'active'", promo_code_id
        )
    )


async def add_redemptions(tx: Tx, *, promo_code_id: UUID, by: int) -> bool:
    """Count, unless that would be more than there can be: then False, and nothing is changed."""
    return bool(
        await tx.execute(
            """update catalog.promo_codes set redemptions = redemptions + $2
                where id = $1 and (redemptions_max is null or redemptions + $2 <= redemptions_max)""",
            promo_code_id,
            by,
        )
    )


def _from_row(row: Row) -> PromoCode:
    return PromoCode(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        code=row["code"],
        name=row["name"],
        status=PromoStatus(row["status"]),
        percent=None if row["percent"] is None else Decimal(row["percent"]),
        amount=None if row["amount_minor"] is None else Money(row["amount_minor"], row["currency"]),
        duration=Duration(row["duration"]),
        periods=row["periods"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        redemptions=row["redemptions"],
        redemptions_max=row["redemptions_max"],
        redemptions_max_per_customer=row["redemptions_max_per_customer"],
        plan_ids=tuple(row["plan_ids"]),
        first_purchase_only=row["first_purchase_only"],
        metadata=metadata_from_row(row["metadata_json"]),
        created_at=row["created_at"],
    )
