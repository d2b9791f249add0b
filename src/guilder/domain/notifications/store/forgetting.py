"""What of messages is given to whom they were sent, and what is forgotten with them, or when it is old."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from guilder.domain.notifications.store.messages import FIELD
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, plain, portable
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed

OPENED_AT_ONCE = 100


async def forget(tx: Tx, customer: Ref) -> None:
    await tx.execute(
        """update notifications.notifications
              set sealed_content = null, about = about - 'brand' - 'last4' - 'expires' - 'reason', detail = '',
                  provider_ref = '', status = case when status = 'pending' then 'dropped' else status end,
                  held_until = null
            where tenant_id = $1 and customer_id = $2""",
        *customer,
    )
    for table in ("bounces", "preferences"):
        await tx.execute(f"delete from notifications.{table} where tenant_id = $1 and customer_id = $2", *customer)


async def cut_off(tx: Tx, *, before: datetime, limit: int) -> int:
    return await tx.execute(
        """update notifications.notifications
              set sealed_content = null, about = about - 'brand' - 'last4' - 'expires' - 'reason', detail = ''
            where tenant_id = $1 and id in (select id from notifications.notifications
                where tenant_id = $1 and created_at < $2 and sealed_content is not null order by created_at limit $3)""",
        tx.tenant_id,
        before,
        limit,
    )


async def count_old(tx: Tx, *, before: datetime, limit: int) -> int:
    return int(
        await tx.fetchval(
            """select count(*) from (select from notifications.notifications where tenant_id = $1 and created_at < $2
                and sealed_content is not null limit $3) old""",
            tx.tenant_id,
            before,
            limit,
        )
    )


async def messages(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    """Read what was sent to a customer, opened, a hundred at a time; not what was said of it to the tenant's staff."""
    last = None
    while True:
        rows = await tx.fetch(
            """select id, channel, kind, status, about::text as about_json, language, created_at, sent_at, bounced_at,
                      sealed_content
                 from notifications.notifications
                where tenant_id = $1 and customer_id = $2 and kind <> 'dispute_opened' and ($3::uuid is null or id > $3)
                order by id limit $4""",
            tx.tenant_id,
            customer_id,
            last,
            OPENED_AT_ONCE,
        )
        for record in await _opened(tx, customer_id, rows):
            yield record
        if len(rows) < OPENED_AT_ONCE:
            return
        last = rows[-1]["id"]


def wishes(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "notification_preferences",
        """select wants_reminders, wants_renewal_notices, wants_usage_alerts, wants_sms, changed_at
             from notifications.preferences where tenant_id = $1 and customer_id = $2""",
        tx.tenant_id,
        customer_id,
    )


async def _opened(tx: Tx, customer_id: CustomerId, rows: list[Row]) -> list[Portable]:
    kept = [row for row in rows if row["sealed_content"] is not None]
    texts = await tx.vault.open_many(
        tx, [Sealed(tx.tenant_id, customer_id, FIELD, row["sealed_content"]) for row in kept]
    )
    said = {row["id"]: msgspec.json.decode(text) for row, text in zip(kept, texts, strict=True) if text}
    records = []
    for row in rows:
        record = plain(row)
        del record["sealed_content"]
        records.append(("messages", {**record, "content": said.get(row["id"])}))
    return records
