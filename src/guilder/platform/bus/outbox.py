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


def announce(
    tx: Tx,
    events: Sequence[Event],
    *,
    now: datetime,
    request_id: str | None = None,
    request_ids: Sequence[str] | None = None,
) -> None:
    """Say what has happened, on the tenant's clock. It is heard if, and only if, this transaction commits.

    `request_id` says in answer to which request, where the transaction answers several; `request_ids` says it of each.

    Events with one key are heard in the order of their announcements, if the transactions that announce them exclude
    each other, by the lock of the key's row: numbers are drawn last before the commit, while it is held.
    """
    assert now.tzinfo, now
    if not events:
        return
    assert all(event.tenant_id in tx.tenants for event in events), (
        "an event of a tenant that this transaction is not for"
    )
    answered = [request_id] * len(events) if request_ids is None else request_ids
    named = zip(ids.new_many(now, len(events)), events, answered, strict=True)
    tx.outbox.extend([Announced(id_, event, now, answers) for id_, event, answers in named])
    tx.before_commit("log", _write)


async def _write(tx: Tx) -> None:
    if tx.has_hooks:
        # Another hook may still announce, or wait for a lock: the log is always written last.
        tx.before_commit("log", _write)
        return
    announced, tx.outbox[:] = list(tx.outbox), []
    await store.append(tx, _rows(tx, announced))
    tx.wake(store.ANNOUNCED)
    tx.once_committed(partial(metrics.announced, names=[each.event.name for each in announced]))


def _rows(tx: Tx, announced: Sequence[Announced]) -> list[store.Fresh]:
    rows: list[store.Fresh] = []
    event, payload = None, ""
    for each in announced:
        # Calls that were made together are mostly told of by the same event, time after time.
        if each.event is not event:
            event, payload = each.event, codec.encode(each.event).decode()
        rows.append(
            store.Fresh(
                event.stream,
                event.tenant_id,
                event.key_value,
                each.id,
                event.name,
                event.version,
                payload,
                each.occurred_at,
                each.request_id or tx.requests.get(event.key_value, tx.request_id),
            )
        )
    return rows
