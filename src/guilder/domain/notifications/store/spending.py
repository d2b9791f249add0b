"""Limits, and what was sent against them, as rows."""

from collections.abc import Sequence
from datetime import date, datetime

from guilder.domain.notifications.model import Ceiling, Channel, Limits, Notification, Spent
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx

Account = tuple[TenantId, Channel]


async def limits(tx: Tx, tenant_ids: Sequence[TenantId]) -> dict[TenantId, Limits]:
    rows = await tx.fetch("select * from notifications.limits where tenant_id = any ($1::uuid[])", list(tenant_ids))
    return {
        TenantId(row["tenant_id"]): Limits(
            tenant_id=TenantId(row["tenant_id"]),
            emails=Ceiling(per_day=row["emails_per_day"], per_month=row["emails_per_month"]),
            segments=Ceiling(per_day=row["segments_per_day"], per_month=row["segments_per_month"]),
            cost=Ceiling(per_day=row["cost_per_day"], per_month=row["cost_per_month"]),
            segment_price=row["segment_price"],
            currency=row["currency"] or "",
        )
        for row in rows
    }


async def save_limits(tx: Tx, limits: Limits, *, now: datetime) -> None:
    await tx.execute(
        """insert into notifications.limits (tenant_id, emails_per_day, emails_per_month, segments_per_day,
                   segments_per_month, segment_price, currency, cost_per_day, cost_per_month, changed_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           on conflict (tenant_id) do update
              set emails_per_day = excluded.emails_per_day, emails_per_month = excluded.emails_per_month,
                  segments_per_day = excluded.segments_per_day, segments_per_month = excluded.segments_per_month,
                  segment_price = excluded.segment_price, currency = excluded.currency,
                  cost_per_day = excluded.cost_per_day, cost_per_month = excluded.cost_per_month,
                  changed_at = excluded.changed_at""",
        limits.tenant_id,
        limits.emails.per_day,
        limits.emails.per_month,
        limits.segments.per_day,
        limits.segments.per_month,
        limits.segment_price,
        limits.currency or None,
        limits.cost.per_day,
        limits.cost.per_month,
        now,
    )


async def lock_spent(tx: Tx, accounts: Sequence[Account], *, day: date) -> dict[Account, Spent]:
    """Return what was sent of each until now, and let nobody else count on it until the commit."""
    wanted = sorted(accounts)
    await tx.execute(
        """insert into notifications.counts (tenant_id, channel, day, units, is_told)
           select tenant_id, channel, $3, 0, false from unnest($1::uuid[], $2::text[]) as v (tenant_id, channel)
            order by tenant_id, channel
           on conflict (tenant_id, channel, day) do nothing""",
        *_split(wanted),
        day,
    )
    await tx.fetch(
        """select 1 from notifications.counts where day = $3
              and (tenant_id, channel) in (select * from unnest($1::uuid[], $2::text[]))
            order by tenant_id, channel for update""",
        *_split(wanted),
        day,
    )
    return await spent(tx, wanted, day=day)


async def spent(tx: Tx, accounts: Sequence[Account], *, day: date) -> dict[Account, Spent]:
    rows = await tx.fetch(
        """select tenant_id, channel, sum(units)::bigint as month, coalesce(sum(units) filter (where day = $3), 0)::bigint
                  as today
             from notifications.counts where day between $4 and $3
              and (tenant_id, channel) in (select * from unnest($1::uuid[], $2::text[]))
            group by tenant_id, channel""",
        *_split(accounts),
        day,
        day.replace(day=1),
    )
    found = {
        (TenantId(row["tenant_id"]), Channel(row["channel"])): Spent(today=row["today"], this_month=row["month"])
        for row in rows
    }
    return {each: found.get(each, Spent()) for each in accounts}


async def count(
    tx: Tx, units: dict[Account, int], sent: Sequence[Notification], refused: Sequence[Account], *, day: date
) -> set[Account]:
    """Add what is sent now, once a message; return those of `refused` whose tenant was not told of it today."""
    accounts = list(units)
    await tx.execute(
        """update notifications.counts c set units = c.units + v.units
             from unnest($1::uuid[], $2::text[], $4::bigint[]) as v (tenant_id, channel, units)
            where c.tenant_id = v.tenant_id and c.channel = v.channel and c.day = $3""",
        *_split(accounts),
        day,
        list(units.values()),
    )
    await tx.execute(
        """update notifications.notifications set counted_on = $3
            where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        [each.tenant_id for each in sent],
        [each.id for each in sent],
        day,
    )
    rows = await tx.fetch(
        """update notifications.counts set is_told = true where day = $3 and not is_told
              and (tenant_id, channel) in (select * from unnest($1::uuid[], $2::text[]))
        returning tenant_id, channel""",
        *_split(refused),
        day,
    )
    return {(TenantId(row["tenant_id"]), Channel(row["channel"])) for row in rows}


def _split(accounts: Sequence[Account]) -> tuple[list[TenantId], list[str]]:
    return [tenant_id for tenant_id, _ in accounts], [channel.value for _, channel in accounts]
