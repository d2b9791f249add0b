"""Tax rates. What a rate says never changes; it ends, or another one takes its place."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from guilder.domain.catalog.model import TaxRate
from guilder.kernel.ids import TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx


async def insert(tx: Tx, rate: TaxRate, *, created_at: datetime) -> None:
    await tx.execute(
        """insert into catalog.tax_rates (tenant_id, id, name, percent, country, region, category, is_default,
                                          legal_note, valid_from, valid_until, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)""",
        rate.tenant_id,
        rate.id,
        rate.name,
        rate.percent,
        rate.country,
        rate.region,
        rate.category,
        rate.is_default,
        rate.legal_note,
        rate.valid_from,
        rate.valid_until,
        created_at,
    )


async def archive_default(tx: Tx) -> None:
    """Take the place of the default free: what was the default is looked at no more."""
    await tx.execute("update catalog.tax_rates set is_default = false, status = 'archived' where is_default")


async def end(tx: Tx, *, rate_id: UUID, on: date) -> TaxRate | None:
    """Let a rate hold no more from a day on; what ends sooner stays as it is. One that never began never will."""
    row = await tx.fetchrow(
        """update catalog.tax_rates set valid_until = greatest(valid_from, least(valid_until, $2))
            where id = $1 returning *""",
        rate_id,
        on,
    )
    return _from_row(row) if row else None


async def one(tx: Tx, rate_id: UUID) -> TaxRate | None:
    row = await tx.fetchrow("select * from catalog.tax_rates where id = $1", rate_id)
    return _from_row(row) if row else None


async def page(tx: Tx, query: PageQuery) -> list[TaxRate]:
    rows = await tx.fetch(
        """select * from catalog.tax_rates where status = 'active' and ($1::uuid is null or id < $1)
            order by id desc limit $2""",
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def count(tx: Tx) -> int:
    number: int = await tx.fetchval("select count(*) from catalog.tax_rates where status = 'active'")
    return number


async def of_tenants(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[TaxRate]:
    rows = await tx.fetch(
        "select * from catalog.tax_rates where status = 'active' and tenant_id = any($1::uuid[]) order by tenant_id, id",
        list(tenant_ids),
    )
    return [_from_row(row) for row in rows]


async def defaults(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[TaxRate]:
    rows = await tx.fetch(
        """select * from catalog.tax_rates
            where is_default and valid_until is null and tenant_id = any($1::uuid[])""",
        list(tenant_ids),
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> TaxRate:
    return TaxRate(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        name=row["name"],
        percent=Decimal(row["percent"]).normalize(),
        country=row["country"],
        region=row["region"],
        category=row["category"],
        is_default=row["is_default"],
        legal_note=row["legal_note"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )
