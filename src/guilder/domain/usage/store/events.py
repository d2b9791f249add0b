"""The SQL of readings and their corrections."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from guilder.domain.usage.model import Correction, NewEvent, UsageEvent
from guilder.domain.usage.store.rows import correction_from_row, event_from_row, to_json
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Tx

T = TypeVar("T")

# A batch names few customers and meters again and again: they are sent once, and by their number from then on.
_INSERT = """
    with named as materialized (
        select n.*, nextval('usage.arrivals') as arrival
          from unnest($5::int[], $6::int[], $7::uuid[], $8::text[], $9::timestamptz[], $10::text[], $11::text[],
                      $12::uuid[])
               as n (meter, customer, id, event_id, at, value, properties, subscription_id)
    )
    insert into usage.events (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                              subscription_id, status, received_at, arrival)
    select ($1::uuid[])[n.meter], n.id, n.event_id, ($4::uuid[])[n.customer], ($2::uuid[])[n.meter],
           ($3::text[])[n.meter], n.at, n.value::numeric, n.properties::jsonb, n.subscription_id, 'counted', $13, n.arrival
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


class _Numbered(Generic[T]):
    """A column of few different things: each of them once, and for each row the number of its own, from 1."""

    def __init__(self, column: Sequence[T], key: Callable[[T], Hashable]) -> None:
        found: dict[Hashable, int] = {}
        self.different: list[T] = []
        self.numbers: list[int] = []
        for each in column:
            number = found.setdefault(key(each), len(found) + 1)
            if number > len(self.different):
                self.different.append(each)
            self.numbers.append(number)


async def insert(
    tx: Tx, events: Sequence[NewEvent], *, ids: Sequence[UUID], now: datetime
) -> set[tuple[TenantId, str]]:
    """Write readings; return whose ids were new. Two batches with the same ids wait for each other and never clash."""
    meters = _Numbered([each.meter for each in events], lambda meter: (meter.tenant_id, meter.id))
    customers = _Numbered([each.customer_id for each in events], lambda customer: customer)
    written = await tx.execute(
        _INSERT,
        [each.tenant_id for each in meters.different],
        [each.id for each in meters.different],
        [each.code for each in meters.different],
        customers.different,
        meters.numbers,
        customers.numbers,
        list(ids),
        [each.event_id for each in events],
        [each.at for each in events],
        [str(each.value) for each in events],
        [to_json(each.properties) for each in events],
        [each.subscription_id for each in events],
        now,
    )
    names = {(each.meter.tenant_id, each.event_id) for each in events}
    return names if written == len(names) else await _written(tx, events, ids)


async def _written(tx: Tx, events: Sequence[NewEvent], ids: Sequence[UUID]) -> set[tuple[TenantId, str]]:
    """Return which of the rows that were to be written were: those that bear our ids."""
    rows = await tx.fetch(
        """select e.tenant_id, e.event_id
             from unnest($1::uuid[], $2::uuid[]) as n (tenant_id, id) join usage.events e using (tenant_id, id)""",
        [each.meter.tenant_id for each in events],
        list(ids),
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
