"""What of use is given to its customer, and what is forgotten with it."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx


async def forget_properties(tx: Tx, customer: Ref, *, limit: int) -> int:
    """Empty the properties of some of a customer's events and corrections; return how many. Repeat until 0."""
    events = await tx.execute(
        """update usage.events set properties = '{}'
            where tenant_id = $1 and id in (select id from usage.events where tenant_id = $1 and customer_id = $2
                                             and properties <> '{}' order by id limit $3)""",
        *customer,
        limit,
    )
    corrections = await tx.execute(
        """update usage.corrections set old_properties = '{}', new_properties = '{}'
            where tenant_id = $1 and id in (select id from usage.corrections where tenant_id = $1 and customer_id = $2
                                             and (old_properties <> '{}' or new_properties <> '{}') limit $3)""",
        *customer,
        limit,
    )
    return events + corrections


async def cut_properties(tx: Tx, *, after: UUID | None, before: UUID, limit: int) -> tuple[int, UUID | None]:
    """Empty the properties of the tenant's next events, in the order of their ids, up to `before`.

    Returns how many had any, and the last event that was looked at; None: there was none.
    """
    rows = await tx.fetch(
        """with page as (
               select id, properties <> '{}' as has_any from usage.events
                where tenant_id = $1 and ($2::uuid is null or id > $2) and id < $3 order by id limit $4
           ), cut as (
               update usage.events e set properties = '{}' from page
                where e.tenant_id = $1 and e.id = page.id and page.has_any
           )
           select count(*) filter (where has_any) as had, (array_agg(id order by id desc))[1] as last from page""",
        tx.tenant_id,
        after,
        before,
        limit,
    )
    return rows[0]["had"], rows[0]["last"]


def events(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "usage_events",
        """select event_id, meter_code as meter, at, value, properties::text as properties_json, subscription_id, status,
                  received_at
             from usage.events where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


def months(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "usage_by_month",
        """select meter_code as meter, to_char(at at time zone 'UTC', 'YYYY-MM') as month, count(*) as events,
                  sum(value) as value_sum
             from usage.events where tenant_id = $1 and customer_id = $2 and status = 'counted'
            group by 1, 2 order by 1, 2""",
        tx.tenant_id,
        customer_id,
    )


def alerts(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "usage_alerts",
        """select id, meter_code as meter, threshold, window_kind, is_recurring, starts_at, created_at, removed_at
             from usage.alerts where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )
