"""The SQL of readings and their corrections."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.usage.model import Correction, NewEvent, UsageEvent
from guilder.domain.usage.store.rows import correction_from_row, event_from_row, to_json
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True)
class Search:
    """Which readings a list shows; None leaves all."""

    customer_id: CustomerId | None = None
    meter: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


async def insert(
    tx: Tx, events: Sequence[NewEvent], *, ids: Sequence[UUID], now: datetime
) -> set[tuple[TenantId, str]]:
    """Write readings; return whose ids were new. Two batches with the same ids wait for each other and never clash."""
    rows = await tx.fetch(
        """with named as materialized (
               select n.*, nextval('usage.arrivals') as arrival
                 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[],
                             $8::numeric[], $9::text[], $10::uuid[])
                      as n (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                            subscription_id)
           )
           insert into usage.events (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                                     subscription_id, status, received_at, arrival)
           select n.tenant_id, n.id, n.event_id, n.customer_id, n.meter_id, n.meter_code, n.at, n.value,
                  n.properties::jsonb, n.subscription_id, 'counted', $11, n.arrival
             from named n
            -- In one order for everybody, whatever the order in which they were sent.
            order by n.tenant_id, n.event_id collate "C"
           on conflict (tenant_id, event_id) do nothing
           returning tenant_id, event_id""",
        [each.meter.tenant_id for each in events],
        list(ids),
        [each.event_id for each in events],
        [each.customer_id for each in events],
        [each.meter.id for each in events],
        [each.meter.code for each in events],
        [each.at for each in events],
        [each.value for each in events],
        [to_json(each.properties) for each in events],
        [each.subscription_id for each in events],
        now,
    )
    return {(TenantId(row["tenant_id"]), row["event_id"]) for row in rows}


async def get(tx: Tx, event_id: str, *, customer_id: CustomerId | None = None, lock: bool = False) -> UsageEvent | None:
    row = await tx.fetchrow(
        f"""select * from usage.events where tenant_id = $1 and event_id = $2 and ($3::uuid is null or customer_id = $3)
            {"for update" if lock else ""}""",
        tx.tenant_id,
        event_id,
        customer_id,
    )
    return None if row is None else event_from_row(row)


async def listing(tx: Tx, query: PageQuery, search: Search) -> list[UsageEvent]:
    """Read one more row than the page holds."""
    # Only what is asked for is said, so that each search is planned by its own index.
    asked: list[tuple[str, object]] = [("tenant_id = {}", tx.tenant_id)]
    for condition, value in (
        ("id < {}", query.after),
        ("customer_id = {}", search.customer_id),
        ("meter_code = {}", search.meter),
        ("at >= {}", search.starts_at),
        ("at < {}", search.ends_at),
    ):
        if value is not None:
            asked.append((condition, value))
    where = " and ".join(text.format(f"${number}") for number, (text, _) in enumerate(asked, start=1))
    rows = await tx.fetch(
        f"select * from usage.events where {where} order by id desc limit ${len(asked) + 1}",
        *(value for _, value in asked),
        query.limit + 1,
    )
    return [event_from_row(row) for row in rows]


async def correct(tx: Tx, correction: Correction) -> None:
    """Write down what an event said and says, and let it say that."""
    old, new = correction.old, correction.new
    await tx.execute(
        """with kept as (
               insert into usage.corrections (tenant_id, id, event_id, customer_id, old_at, old_value, old_properties,
                   old_status, new_at, new_value, new_properties, new_status, corrected_by, corrected_at)
               values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11::jsonb, $12, $13, $14)
           )
           update usage.events set at = $9, value = $10, properties = $11::jsonb, status = $12
            where tenant_id = $1 and event_id = $3""",
        correction.tenant_id,
        correction.id,
        correction.event_id,
        correction.customer_id,
        old.at,
        old.value,
        to_json(old.properties),
        old.status.value,
        new.at,
        new.value,
        to_json(new.properties),
        new.status.value,
        correction.corrected_by,
        correction.corrected_at,
    )


async def corrections(tx: Tx, tenant_id: TenantId, event_id: str) -> list[Correction]:
    rows = await tx.fetch(
        "select * from usage.corrections where tenant_id = $1 and event_id = $2 order by id", tenant_id, event_id
    )
    return [correction_from_row(row) for row in rows]


async def meters_used(tx: Tx, tenant_id: TenantId, customer_id: CustomerId) -> list[str]:
    """Return the codes of the meters that a customer has ever used: one probe of the index for each."""
    rows = await tx.fetch(
        """with recursive used as (
               (select e.meter_id, e.meter_code from usage.events e
                 where e.tenant_id = $1 and e.customer_id = $2 order by e.meter_id limit 1)
               union all
               select n.meter_id, n.meter_code from used u cross join lateral (
                   select e.meter_id, e.meter_code from usage.events e
                    where e.tenant_id = $1 and e.customer_id = $2 and e.meter_id > u.meter_id
                    order by e.meter_id limit 1) n
           )
           select meter_code from used""",
        tenant_id,
        customer_id,
    )
    return sorted(row["meter_code"] for row in rows)
