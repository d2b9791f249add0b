"""The SQL of alerts, and of the windows in which they were reached."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from guilder.domain.usage.model import Alert, Stretch
from guilder.domain.usage.store.rows import alert_from_row, split
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx


async def insert(tx: Tx, alert: Alert, *, meter_id: UUID) -> None:
    await tx.execute(
        """insert into usage.alerts (tenant_id, id, customer_id, meter_id, meter_code, threshold, window_kind,
                                     is_recurring, starts_at, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        alert.tenant_id,
        alert.id,
        alert.customer_id,
        meter_id,
        alert.meter_code,
        alert.threshold,
        alert.window.value,
        alert.is_recurring,
        alert.starts_at,
        alert.created_at,
    )


async def get(tx: Tx, alert_id: UUID, *, customer_id: CustomerId | None = None) -> Alert | None:
    row = await tx.fetchrow(
        """select * from usage.alerts where tenant_id = $1 and id = $2 and ($3::uuid is null or customer_id = $3)""",
        tx.tenant_id,
        alert_id,
        customer_id,
    )
    return None if row is None else alert_from_row(row)


async def listing(tx: Tx, query: PageQuery, *, customer_id: CustomerId | None) -> list[Alert]:
    """Read one more row than the page holds, of those that are still kept."""
    rows = await tx.fetch(
        """select * from usage.alerts
            where tenant_id = $1 and removed_at is null and ($2::uuid is null or customer_id = $2)
              and ($3::uuid is null or id < $3) order by id desc limit $4""",
        tx.tenant_id,
        customer_id,
        query.after,
        query.limit + 1,
    )
    return [alert_from_row(row) for row in rows]


async def count(tx: Tx, customer: Ref) -> int:
    found = await tx.fetchval(
        "select count(*) from usage.alerts where tenant_id = $1 and customer_id = $2 and removed_at is null",
        customer.tenant_id,
        customer.id,
    )
    return int(found)


async def remove(tx: Tx, alert: Alert, *, now: datetime) -> None:
    await tx.execute(
        "update usage.alerts set removed_at = $3 where tenant_id = $1 and id = $2 and removed_at is null",
        alert.tenant_id,
        alert.id,
        now,
    )


async def of_customers(tx: Tx, customers: Sequence[Ref]) -> list[Alert]:
    """Return the alerts that may still be reached: not those that tell once and have told."""
    rows = await tx.fetch(
        """select * from usage.alerts a
            where (a.tenant_id, a.customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
              and a.removed_at is null
              and (a.is_recurring or not exists (select from usage.alerts_reached r
                                                  where r.tenant_id = a.tenant_id and r.alert_id = a.id))
            order by a.tenant_id, a.id""",
        *split(customers),
    )
    return [alert_from_row(row) for row in rows]


async def reach(tx: Tx, reached: Sequence[tuple[Stretch, Decimal]], *, now: datetime) -> set[tuple[UUID, datetime]]:
    """Write down which windows were filled; return those that were not known to be. It is theirs to announce."""
    if not reached:
        return set()
    rows = await tx.fetch(
        """insert into usage.alerts_reached (tenant_id, alert_id, slot, quantity, reached_at)
           select n.tenant_id, n.alert_id, n.slot, n.quantity, $5
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::numeric[])
                  as n (tenant_id, alert_id, slot, quantity)
            order by n.tenant_id, n.alert_id, n.slot
           on conflict (tenant_id, alert_id, slot) do nothing
           returning alert_id, slot""",
        [stretch.alert.tenant_id for stretch, _ in reached],
        [stretch.alert.id for stretch, _ in reached],
        [stretch.slot for stretch, _ in reached],
        [quantity for _, quantity in reached],
        now,
    )
    return {(row["alert_id"], row["slot"]) for row in rows}
