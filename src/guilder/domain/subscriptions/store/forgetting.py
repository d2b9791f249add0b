"""What of subscriptions is given to their customer, and what is forgotten with it."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx


async def forget(tx: Tx, customer: Ref, *, alias: str) -> None:
    await tx.execute(
        """update subscriptions.subscriptions set organization_id = $3, metadata = '{}'
            where tenant_id = $1 and customer_id = $2 and (organization_id <> $3 or metadata <> '{}')""",
        *customer,
        alias,
    )


async def going_on(tx: Tx, customer: Ref, *, with_elsewhere: bool = True) -> list[Ref]:
    """Return what has not ended; `with_elsewhere`: also what a provider bills itself."""
    rows = await tx.fetch(
        """select id from subscriptions.subscriptions
            where tenant_id = $1 and customer_id = $2 and ended_at is null and ($3 or billed_by is null)
            order by parent_id is not null, id""",
        *customer,
        with_elsewhere,
    )
    return [Ref(customer.tenant_id, row["id"]) for row in rows]


async def unbilled(tx: Tx, customer: Ref) -> list[UUID]:
    """Return what is still to be billed of a customer's subscriptions that have ended: of use, after its grace period."""
    rows = await tx.fetch(
        """select g.id from subscriptions.segments g
             join subscriptions.subscriptions s on s.tenant_id = g.tenant_id and s.id = g.subscription_id
            where g.tenant_id = $1 and g.customer_id = $2 and g.billed_at is null and s.ended_at is not null
            order by g.id""",
        *customer,
    )
    return [row["id"] for row in rows]


async def unbilled_use_since(tx: Tx) -> datetime | None:
    found: datetime | None = await tx.fetchval(
        """select min(since) from (
               select s.usage_from as since from subscriptions.subscriptions s
                where s.tenant_id = $1 and s.ended_at is null and s.usage_from is not null
                  and (s.terms ->> 'has_charges')::boolean
               union all
               select g.period_start from subscriptions.segments g
                where g.tenant_id = $1 and g.kind = 'usage' and g.billed_at is null) open""",
        tx.tenant_id,
    )
    return found


def records(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "subscriptions",
        """select id, organization_id, status, plan_id, terms::text as terms_json, currency, time_zone, anchor_at,
                  current_period_start, current_period_end, trial_ends_at, payment_method_id, cancel_at_period_end,
                  canceled_at, paused_at, resume_at, ended_at, metadata::text as metadata_json, created_at
             from subscriptions.subscriptions where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )
