"""Plans: the head says which version new customers get; a version is never changed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.catalog.model import Billing, Charge, Feature, Limit, Plan, PlanStatus, Price, PriceModel
from guilder.domain.catalog.store.rows import ROOM, json, metadata_from_row
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from guilder.platform.db.tx import Row, Tx

_PLANS = """
select p.tenant_id, p.id, p.code, p.status, v.version, v.name, v.description, v.trial_days,
       v.features::text as features, v.limits::text as limits, v.metadata::text as metadata, p.created_at,
       v.billing::text as billing, v.charges::text as charges, v.is_add_on,
       array_agg(c.id order by c.line) as price_ids, array_agg(c.cycle order by c.line) as cycles,
       array_agg(c.unit order by c.line) as units, array_agg(c.unit_count order by c.line) as counts,
       array_agg(c.currency order by c.line) as currencies, array_agg(c.amount_minor order by c.line) as amounts,
       array_agg(c.model::text order by c.line) as models
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
    tx.touch(plan.tenant_id, ROOM)
    await tx.execute(
        """insert into catalog.plan_versions (tenant_id, plan_id, version, name, description, trial_days, features,
                                              limits, metadata, created_at, billing, charges, is_add_on)
           values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9::jsonb, $10, $11::jsonb, $12::jsonb, $13)""",
        plan.tenant_id,
        plan.id,
        plan.version,
        plan.name,
        plan.description,
        plan.trial_days,
        json(plan.features),
        json(plan.limits),
        json(plan.metadata),
        created_at,
        json(plan.billing),
        json(plan.charges),
        plan.is_add_on,
    )
    await _insert_prices(tx, plan)


async def _insert_prices(tx: Tx, plan: Plan) -> None:
    await tx.execute(
        """insert into catalog.prices (tenant_id, id, plan_id, version, line, cycle, unit, unit_count, currency,
                                       amount_minor, model)
           select $1, p.id, $2, $3, p.line, p.cycle, p.unit, p.unit_count, p.currency, p.amount_minor, p.model::jsonb
           from unnest($4::uuid[], $5::smallint[], $6::text[], $7::text[], $8::int[], $9::text[], $10::bigint[],
                       $11::text[])
               as p (id, line, cycle, unit, unit_count, currency, amount_minor, model)""",
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
        [None if price.model is None else json(price.model) for price in plan.prices],
    )


async def lock_plan(tx: Tx, plan_id: UUID) -> int | None:
    """Lock a plan and return its newest version's number."""
    version: int | None = await tx.fetchval("select version from catalog.plans where id = $1 for update", plan_id)
    return version


async def save_head(tx: Tx, *, plan_id: UUID, version: int, status: PlanStatus) -> None:
    tx.touch(tx.tenant_id, ROOM)
    await tx.execute("update catalog.plans set version = $2, status = $3 where id = $1", plan_id, version, status.value)


async def newest(tx: Tx, *, plan_ids: Sequence[UUID], codes: Sequence[str]) -> list[Plan]:
    rows = await tx.fetch(
        f"""{_PLANS} where v.version = p.version and (p.id = any($1::uuid[]) or p.code = any($2::text[])) {_GROUP}
            order by p.id""",
        plan_ids,
        codes,
    )
    return [_plan(row) for row in rows]


async def plans(tx: Tx, query: PageQuery, *, archived: bool) -> list[Plan]:
    rows = await tx.fetch(
        f"""{_PLANS} where v.version = p.version and ($1 or p.status = 'active') and ($2::uuid is null or p.id < $2)
            {_GROUP} order by p.id desc limit $3""",
        archived,
        query.after,
        query.limit + 1,
    )
    return [_plan(row) for row in rows]


async def ids_of(tx: Tx, plans: Sequence[UUID | str]) -> dict[UUID | str, UUID]:
    """Return the ids of those plans that there are, by what they were named by: an id, or a code."""
    rows = await tx.fetch(
        "select id, code from catalog.plans where id = any($1::uuid[]) or code = any($2::text[])",
        [each for each in plans if isinstance(each, UUID)],
        [each for each in plans if isinstance(each, str)],
    )
    return {name: row["id"] for row in rows for name in (row["id"], row["code"])}


async def versions(tx: Tx, keys: Sequence[tuple[TenantId, UUID, int]]) -> list[Plan]:
    rows = await tx.fetch(
        f"""{_PLANS} join unnest($1::uuid[], $2::uuid[], $3::int[]) as k (tenant_id, plan_id, version)
            on k.tenant_id = v.tenant_id and k.plan_id = v.plan_id and k.version = v.version {_GROUP}""",
        [key[0] for key in keys],
        [key[1] for key in keys],
        [key[2] for key in keys],
    )
    return [_plan(row) for row in rows]


def _plan(row: Row) -> Plan:
    return Plan(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        code=row["code"],
        version=row["version"],
        name=row["name"],
        description=row["description"],
        status=PlanStatus(row["status"]),
        prices=_prices(row),
        features=msgspec.json.decode(row["features"], type=tuple[Feature, ...]),
        limits=msgspec.json.decode(row["limits"], type=tuple[Limit, ...]),
        trial_days=row["trial_days"],
        created_at=row["created_at"],
        billing=msgspec.json.decode(row["billing"], type=Billing),
        charges=msgspec.json.decode(row["charges"], type=tuple[Charge, ...]),
        is_add_on=row["is_add_on"],
        metadata=metadata_from_row(row["metadata"]),
    )


def _prices(row: Row) -> tuple[Price, ...]:
    columns = ("price_ids", "cycles", "units", "counts", "currencies", "amounts", "models")
    return tuple(
        Price(
            id=price_id,
            interval=Interval(Unit(unit), count),
            unit_amount=Money(amount, currency),
            cycle=cycle,
            model=None if model is None else msgspec.json.decode(model, type=PriceModel),
        )
        for price_id, cycle, unit, count, currency, amount, model in zip(*(row[name] for name in columns), strict=True)
    )
