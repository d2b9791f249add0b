"""What of subscriptions is given to their customer, and what is forgotten with it."""

from collections.abc import AsyncIterator

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


async def going_on(tx: Tx, customer: Ref) -> list[Ref]:
    rows = await tx.fetch(
        """select id from subscriptions.subscriptions
            where tenant_id = $1 and customer_id = $2 and ended_at is null order by parent_id is not null, id""",
        *customer,
    )
    return [Ref(customer.tenant_id, row["id"]) for row in rows]


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
