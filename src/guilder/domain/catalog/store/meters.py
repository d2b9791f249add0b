"""Meters."""

from collections.abc import Sequence
from uuid import UUID

from guilder.domain.catalog.model import Aggregation, Meter
from guilder.kernel.ids import TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx


async def insert(tx: Tx, meter: Meter) -> bool:
    """Write a new meter; False if its code is taken."""
    inserted = await tx.execute(
        """insert into catalog.meters (tenant_id, id, code, name, aggregation, property, created_at)
           values ($1, $2, $3, $4, $5, $6, $7) on conflict (tenant_id, code) do nothing""",
        meter.tenant_id,
        meter.id,
        meter.code,
        meter.name,
        meter.aggregation.value,
        meter.property,
        meter.created_at,
    )
    return bool(inserted)


async def one(tx: Tx, *, meter_id: UUID | None, code: str | None) -> Meter | None:
    row = await tx.fetchrow("select * from catalog.meters where id = $1 or code = $2", meter_id, code)
    return _from_row(row) if row else None


async def page(tx: Tx, query: PageQuery) -> list[Meter]:
    rows = await tx.fetch(
        "select * from catalog.meters where ($1::uuid is null or id < $1) order by id desc limit $2",
        query.after,
        query.limit + 1,
    )
    return [_from_row(row) for row in rows]


async def by_codes(tx: Tx, keys: Sequence[tuple[TenantId, str]]) -> list[Meter]:
    rows = await tx.fetch(
        """select m.* from catalog.meters m
             join unnest($1::uuid[], $2::text[]) as k (tenant_id, code)
               on k.tenant_id = m.tenant_id and k.code = m.code""",
        [key[0] for key in keys],
        [key[1] for key in keys],
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> Meter:
    return Meter(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        code=row["code"],
        name=row["name"],
        aggregation=Aggregation(row["aggregation"]),
        property=row["property"],
        created_at=row["created_at"],
    )
