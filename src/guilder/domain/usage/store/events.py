"""The SQL of readings and their corrections."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from guilder.domain.usage.model import Correction, NewEvent, UsageEvent
from guilder.domain.usage.store.rows import correction_from_row, event_from_row, to_json
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx

Key = TypeVar("Key", bound=Hashable)

# What stands between the values of a column. It is in none of them: an id is of one line, and JSON writes it otherwise.
_END = "\n"


def _each(parameter: int) -> str:
    return f"string_to_array(${parameter}, E'\\n', '')"


# A batch names few customers and meters again and again: they are sent once, and by their number from then on. Each column is
# one text, joined by Python and taken apart by PostgreSQL, both in C: of an array the driver looks at every element several
# times. A column that is null throughout is empty.
_INSERT = f"""
    with named as materialized (
        select n.meter::int as meter, n.customer::int as customer, n.id::uuid as id, n.event_id, n.at::timestamptz as at,
               n.value::numeric as value, n.properties, n.subscription_id::uuid as subscription_id,
               nextval('usage.arrivals') as arrival
          from unnest({", ".join(_each(n) for n in range(5, 13))})
               as n (meter, customer, id, event_id, at, value, properties, subscription_id)
    )
    insert into usage.events (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                              subscription_id, status, received_at, arrival)
    select ($1::uuid[])[n.meter], n.id, n.event_id, ($4::uuid[])[n.customer], ($2::uuid[])[n.meter],
           ($3::text[])[n.meter], n.at, n.value, n.properties::jsonb, n.subscription_id, 'counted', $13, n.arrival
      from named n
     -- In one order for everybody, whatever the order in which they were sent.
     order by 1, n.event_id collate "C"
    on conflict (tenant_id, event_id) do nothing"""


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
    """Write readings, each of another id; return those whose ids were there. Two batches with the same ids wait for each
    other and never clash.
    """
    meters = {(each.meter.tenant_id, each.meter.id): each.meter for each in events}
    customers = dict.fromkeys([each.customer_id for each in events])
    of_meter, of_customer = _numbers(meters), _numbers(customers)
    written = await tx.execute(
        _INSERT,
        [each.tenant_id for each in meters.values()],
        [each.id for each in meters.values()],
        [each.code for each in meters.values()],
        list(customers),
        _END.join([of_meter[each.meter.tenant_id, each.meter.id] for each in events]),
        _END.join([of_customer[each.customer_id] for each in events]),
        _END.join(map(str, ids)),
        _END.join([each.event_id for each in events]),
        _END.join([each.at.isoformat() for each in events]),
        _END.join([str(each.value) for each in events]),
        _END.join([to_json(each.properties) for each in events]),
        _subscriptions(events),
        now,
    )
    return set() if written == len(events) else await _there(tx, events, ids)


def _subscriptions(events: Sequence[NewEvent]) -> str:
    named = ["" if each.subscription_id is None else str(each.subscription_id) for each in events]
    return _END.join(named) if any(named) else ""


def _numbers(keys: Iterable[Key]) -> dict[Key, str]:
    """Return the number of each, from 1, as it is written."""
    return {key: str(number) for number, key in enumerate(keys, start=1)}


async def _there(tx: Tx, events: Sequence[NewEvent], ids: Sequence[UUID]) -> set[tuple[TenantId, str]]:
    """Return which of the rows were there: of those that were written, ours bear our ids."""
    rows = await tx.fetch(
        """select e.tenant_id, e.event_id
             from unnest($1::uuid[], $2::uuid[]) as n (tenant_id, id) join usage.events e using (tenant_id, id)""",
        [each.meter.tenant_id for each in events],
        list(ids),
    )
    names = {(each.meter.tenant_id, each.event_id) for each in events}
    return names.difference((TenantId(row["tenant_id"]), row["event_id"]) for row in rows)


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
