"""What of outgoing webhooks is given to whom they are about, and what is forgotten with it."""

from collections.abc import AsyncIterator

from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx


async def forget(tx: Tx, customer: Ref, *, name: str, alias: str) -> None:
    await tx.execute(
        """update webhooks.messages m
              set body = platform.pseudonymised(m.body::jsonb, $3, $4)::text
            where m.tenant_id = $1 and m.customer_id = $2
              and m.body::jsonb is distinct from platform.pseudonymised(m.body::jsonb, $3, $4)""",
        *customer,
        name,
        alias,
    )
    # What a receiver answered may repeat what it was told.
    await tx.execute(
        """update webhooks.attempts a set answer = '', error = ''
             from webhooks.messages m
            where m.tenant_id = $1 and m.customer_id = $2 and a.tenant_id = m.tenant_id and a.message_id = m.id
              and (a.answer <> '' or a.error <> '')""",
        *customer,
    )


def records(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "events_sent_by_webhook",
        """select m.event_id, m.event_name, m.occurred_at, m.status, m.ended_at, m.body as body_json
             from webhooks.messages m where m.tenant_id = $1 and m.customer_id = $2 order by m.id""",
        tx.tenant_id,
        customer_id,
    )
