"""The outbox: what a transaction announces is written with it, or not at all."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec import Struct

from guilder.kernel import ids
from guilder.kernel.event import Event
from guilder.platform import metrics
from guilder.platform.bus import codec, store
from guilder.platform.db.tx import Tx


class Announced(Struct, frozen=True):
    """An event that waits in its transaction for the commit."""

    id: UUID
    event: Event
    occurred_at: datetime
    request_id: str | None = None  # None: the transaction's


def announce(tx: Tx, events: Sequence[Event], *, now: datetime, request_id: str | None = None) -> None:
    """Say what has happened, on the tenant's clock. It is heard if, and only if, this transaction commits.

    `request_id` says in answer to which request, where the transaction answers several.

    Events with one key are heard in the order of their announcements, if the transactions that announce them exclude
    each other, by the lock of the key's row: numbers are drawn last before the commit, while it is held.
    """
    assert now.tzinfo, now
    if not events:
        return
    assert all(event.tenant_id in tx.tenants for event in events), (
        "an event of a tenant that this transaction is not for"
    )
    named = zip(ids.new_many(now, len(events)), events, strict=True)
    tx.outbox.extend([Announced(id_, event, now, request_id) for id_, event in named])
    tx.before_commit("log", _write)


async def _write(tx: Tx) -> None:
    if tx.has_hooks:
        # Another hook may still announce, or wait for a lock: the log is always written last.
        tx.before_commit("log", _write)
        return
    announced, tx.outbox[:] = list(tx.outbox), []
    await store.append(
        tx,
        [
            store.Fresh(
                topic=each.event.stream,
                tenant_id=each.event.tenant_id,
                key=each.event.key_value,
                event_id=each.id,
                name=each.event.name,
                version=each.event.version,
                payload=codec.encode(each.event).decode(),
                occurred_at=each.occurred_at,
                request_id=each.request_id or tx.requests.get(each.event.key_value, tx.request_id),
            )
            for each in announced
        ],
    )
    tx.wake(store.ANNOUNCED)
    tx.once_committed(partial(metrics.announced, names=[each.event.name for each in announced]))
