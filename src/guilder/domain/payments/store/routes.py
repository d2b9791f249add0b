"""The SQL of payment routes: a tenant's ordered rules, and where each leads."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.payments.model import Route, Target
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx


async def of_tenant(tx: Tx, tenant_id: TenantId) -> list[Route]:
    """Return a tenant's routes in their order."""
    rows = await tx.fetch("select * from payments.routes where tenant_id = $1 order by position", tenant_id)
    if not rows:
        return []
    leads = await tx.fetch("select * from payments.route_targets where tenant_id = $1 order by id", tenant_id)
    return [
        Route(
            id=row["id"],
            name=row["name"],
            is_active=row["is_active"],
            method_kinds=frozenset(row["method_kinds"]),
            currencies=frozenset(row["currencies"]),
            countries=frozenset(row["countries"]),
            amount_from=row["amount_from"],
            amount_to=row["amount_to"],
            targets=tuple(
                Target(account_id=r["account_id"], weight=r["weight"]) for r in leads if r["route_id"] == row["id"]
            ),
        )
        for row in rows
    ]


async def replace_all(tx: Tx, tenant_id: TenantId, routes: Sequence[Route], *, now: datetime) -> None:
    """Write a tenant's routes in place of those that it has."""
    # Two at once would leave a mixture: the later waits here.
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('payments.routes:' || $1::text, 0))", str(tenant_id)
    )
    await tx.execute("delete from payments.routes where tenant_id = $1", tenant_id)
    await tx.execute_many(
        """insert into payments.routes (tenant_id, id, position, name, is_active, method_kinds, currencies, countries,
               amount_from, amount_to, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        [
            (
                tenant_id,
                route.id,
                position,
                route.name,
                route.is_active,
                sorted(route.method_kinds),
                sorted(route.currencies),
                sorted(route.countries),
                route.amount_from,
                route.amount_to,
                now,
            )
            for position, route in enumerate(routes)
        ],
    )
    await tx.execute_many(
        """insert into payments.route_targets (tenant_id, id, route_id, account_id, weight)
           values ($1, $2, $3, $4, $5)""",
        [
            (tenant_id, ids.new(now), route.id, target.account_id, target.weight)
            for route in routes
            for target in route.targets
        ],
    )
