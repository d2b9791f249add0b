"""The catalog's SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from guilder.domain.catalog.model import Feature, Limit, Plan, PlanStatus, Price, Product, TaxRate
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from guilder.platform.db.tx import Row, Tx

_PLANS = """
select p.tenant_id, p.id, p.code, p.status, v.version, v.name, v.description, v.trial_days,
       v.features::text as features, v.limits::text as limits, v.metadata::text as metadata, p.created_at,
       array_agg(c.id order by c.line) as price_ids, array_agg(c.cycle order by c.line) as cycles,
       array_agg(c.unit order by c.line) as units, array_agg(c.unit_count order by c.line) as counts,
       array_agg(c.currency order by c.line) as currencies, array_agg(c.amount_minor order by c.line) as amounts
from catalog.plans p
join catalog.plan_versions v on v.tenant_id = p.tenant_id and v.plan_id = p.id
join catalog.prices c on c.tenant_id = v.tenant_id and c.plan_id = v.plan_id and c.version = v.version
"""
_GROUP = " group by p.tenant_id, p.id, v.tenant_id, v.plan_id, v.version"


async def insert_plan(tx: Tx, plan: Plan) -> bool:
    """Write a new plan; False if its code is taken."""
    inserted = await tx.execute(
        """insert into catalog.plans (tenant_id, id, code, status, version, created_at)
           values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, code) do nothing""",
        plan.tenant_id,
        plan.id,
        plan.code,
        plan.status.value,
        plan.version,
        plan.created_at,
    )
    if inserted:
        await insert_version(tx, plan, created_at=plan.created_at)
    return bool(inserted)


async def insert_version(tx: Tx, plan: Plan, *, created_at: datetime) -> None:
    await tx.execute(
        """insert into catalog.plan_versions (tenant_id, plan_id, version, name, description, trial_days, features,
                                              limits, metadata, created_at)
           values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9::jsonb, $10)""",
        plan.tenant_id,
        plan.id,
        plan.version,
        plan.name,
        plan.description,
        plan.trial_days,
        _json(plan.features),
        _json(plan.limits),
        _json(plan.metadata),
        created_at,
    )
    await tx.execute(
        """insert into catalog.prices (tenant_id, id, plan_id, version, line, cycle, unit, unit_count, currency,
                                       amount_minor)
           select $1, p.id, $2, $3, p.line, p.cycle, p.unit, p.unit_count, p.currency, p.amount_minor
           from unnest($4::uuid[], $5::smallint[], $6::text[], $7::text[], $8::int[], $9::text[], $10::bigint[])
               as p (id, line, cycle, unit, unit_count, currency, amount_minor)""",
        plan.tenant_id,
        plan.id,
        plan.version,
        [price.id for price in plan.prices],
        list(range(1, len(plan.prices) + 1)),
        [price.cycle for price in plan.prices],
        [price.interval.unit.value for price in plan.prices],
        [price.interval.count for price in plan.prices],
        [price.unit_amount.currency for price in plan.prices],
        [price.unit_amount.minor for price in plan.prices],
    )


async def lock_plan(tx: Tx, plan_id: UUID) -> int | None:
    """Lock a plan and return its newest version's number."""
    version: int | None = await tx.fetchval("select version from catalog.plans where id = $1 for update", plan_id)
    return version


async def save_head(tx: Tx, *, plan_id: UUID, version: int, status: PlanStatus) -> None:
    await tx.execute("update catalog.plans set version = $2, status = $3 where id = $1", plan_id, version, status.value)


async def plan(tx: Tx, *, plan_id: UUID | None, code: str | None) -> Plan | None:
    row = await tx.fetchrow(
        f"{_PLANS} where v.version = p.version and (p.id = $1 or p.code = $2) {_GROUP}", plan_id, code
    )
    return _plan(row) if row else None


async def plans(tx: Tx, query: PageQuery, *, archived: bool) -> list[Plan]:
    rows = await tx.fetch(
        f"""{_PLANS} where v.version = p.version and ($1 or p.status = 'active') and ($2::uuid is null or p.id < $2)
            {_GROUP} order by p.id desc limit $3""",
        archived,
        query.after,
        query.limit + 1,
    )
    return [_plan(row) for row in rows]


async def versions(tx: Tx, keys: Sequence[tuple[TenantId, UUID, int]]) -> list[Plan]:
    rows = await tx.fetch(
        f"""{_PLANS} join unnest($1::uuid[], $2::uuid[], $3::int[]) as k (tenant_id, plan_id, version)
            on k.tenant_id = v.tenant_id and k.plan_id = v.plan_id and k.version = v.version {_GROUP}""",
        [key[0] for key in keys],
        [key[1] for key in keys],
        [key[2] for key in keys],
    )
    return [_plan(row) for row in rows]


async def insert_product(tx: Tx, product: Product) -> bool:
    """Write a new product; False if its code is taken."""
    inserted = await tx.execute(
        """insert into catalog.products (tenant_id, id, code, name, description, access_days, prices, metadata,
                                         created_at)
           values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9) on conflict (tenant_id, code) do nothing""",
        product.tenant_id,
        product.id,
        product.code,
        product.name,
        product.description,
        product.access_days,
        _json(product.prices),
        _json(product.metadata),
        product.created_at,
    )
    return bool(inserted)


async def product(tx: Tx, *, product_id: UUID | None, code: str | None) -> Product | None:
    row = await tx.fetchrow(
        """select *, prices::text as prices_json, metadata::text as metadata_json
           from catalog.products where id = $1 or code = $2""",
        product_id,
        code,
    )
    return _product(row) if row else None


async def products(tx: Tx, query: PageQuery) -> list[Product]:
    rows = await tx.fetch(
        """select *, prices::text as prices_json, metadata::text as metadata_json from catalog.products
           where ($1::uuid is null or id < $1) order by id desc limit $2""",
        query.after,
        query.limit + 1,
    )
    return [_product(row) for row in rows]


async def set_default_tax_rate(tx: Tx, rate: TaxRate, *, created_at: datetime) -> None:
    await tx.execute("update catalog.tax_rates set is_default = false where is_default")
    await tx.execute(
        """insert into catalog.tax_rates (tenant_id, id, name, percent, country, is_default, legal_note, created_at)
           values ($1, $2, $3, $4, $5, true, $6, $7)""",
        rate.tenant_id,
        rate.id,
        rate.name,
        rate.percent,
        rate.country,
        rate.legal_note,
        created_at,
    )


async def default_tax_rates(tx: Tx, tenant_ids: Sequence[TenantId]) -> list[TaxRate]:
    rows = await tx.fetch(
        "select * from catalog.tax_rates where is_default and tenant_id = any($1::uuid[])", list(tenant_ids)
    )
    return [_tax_rate(row) for row in rows]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _plan(row: Row) -> Plan:
    prices = zip(
        row["price_ids"],
        row["cycles"],
        row["units"],
        row["counts"],
        row["currencies"],
        row["amounts"],
        strict=True,
    )
    return Plan(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        code=row["code"],
        version=row["version"],
        name=row["name"],
        description=row["description"],
        status=PlanStatus(row["status"]),
        prices=tuple(
            Price(id=price_id, interval=Interval(Unit(unit), count), unit_amount=Money(amount, currency), cycle=cycle)
            for price_id, cycle, unit, count, currency, amount in prices
        ),
        features=msgspec.json.decode(row["features"], type=tuple[Feature, ...]),
        limits=msgspec.json.decode(row["limits"], type=tuple[Limit, ...]),
        trial_days=row["trial_days"],
        created_at=row["created_at"],
        metadata=_metadata(row["metadata"]),
    )


def _product(row: Row) -> Product:
    return Product(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        code=row["code"],
        name=row["name"],
        description=row["description"],
        prices=msgspec.json.decode(row["prices_json"], type=tuple[Money, ...]),
        access_days=row["access_days"],
        created_at=row["created_at"],
        metadata=_metadata(row["metadata_json"]),
    )


def _tax_rate(row: Row) -> TaxRate:
    return TaxRate(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        name=row["name"],
        percent=Decimal(row["percent"]).normalize(),
        country=row["country"],
        is_default=row["is_default"],
        legal_note=row["legal_note"],
    )


def _metadata(text: str) -> Mapping[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])
