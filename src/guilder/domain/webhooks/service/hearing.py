"""Hearing: an event becomes a message for each endpoint that wants it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.webhooks.model import Endpoint, NewMessage
from guilder.domain.webhooks.rules import saying, wanting
from guilder.domain.webhooks.service.sending import call_up
from guilder.domain.webhooks.store import endpoints as store
from guilder.domain.webhooks.store import messages
from guilder.domain.webhooks.store.messages import Line
from guilder.kernel import ids
from guilder.kernel.event import Event, Message
from guilder.kernel.ids import CustomerId
from guilder.platform.bus import codec
from guilder.platform.bus.codec import UnknownEvent
from guilder.platform.db.tx import Tx


async def hear(tx: Tx, *, heard: Sequence[Message[Event]], now: datetime) -> None:
    """Write a message for each event and each endpoint that wants it, once; have the first of each line sent."""
    in_use = await store.in_use(tx, sorted({each.event.tenant_id for each in heard}))
    wanted = {
        each.ref for each in in_use if any(_wants(each, message) for message in heard)
    }  # most batches concern nobody, and lock nothing
    if not wanted:
        return
    # Looked at again under the lock: one may have been disabled meanwhile, and sequence follows the order of locking.
    locked = [each for each in (await store.lock(tx, sorted(wanted))).values() if each.is_active]
    new = [_made(each, message, now) for message in heard for each in locked if _wants(each, message)]
    if not new:
        return
    await messages.insert(tx, new, now=now)
    await call_up(tx, lines=[Line(each.tenant_id, each.endpoint_id, each.line) for each in new], now=now)


def _wants(endpoint: Endpoint, message: Message[Event]) -> bool:
    return endpoint.tenant_id == message.event.tenant_id and wanting.is_wanted(
        endpoint.wish.events, _name(message.event)
    )


def _made(endpoint: Endpoint, message: Message[Event], now: datetime) -> NewMessage:
    event, data = message.event, _data(message.event)
    customer_id = _customer(data)
    return NewMessage(
        tenant_id=endpoint.tenant_id,
        id=ids.new(now),
        endpoint_id=endpoint.id,
        event_id=message.id,
        event_name=_name(event),
        line=customer_id or event.key_value,
        customer_id=customer_id,
        body=_body(endpoint, message, data),
        occurred_at=message.occurred_at,
    )


def _body(endpoint: Endpoint, message: Message[Event], data: dict[str, Any]) -> str:
    name, event_id, at = _name(message.event), message.id, message.occurred_at
    whole = saying.payload(
        name, occurred_at=at, event_id=event_id, data=saying.thinned(data) if endpoint.wish.is_thin else data
    )
    text = msgspec.json.encode(whole)
    if len(text) >= saying.BODY_BYTES_MAX:
        # Whoever gets ids alone can ask for the rest: GET /api/events/{id}.
        text = msgspec.json.encode(saying.payload(name, occurred_at=at, event_id=event_id, data=saying.thinned(data)))
    if len(text) >= saying.BODY_BYTES_MAX:
        text = msgspec.json.encode(saying.payload(name, occurred_at=at, event_id=event_id, data={}))
    return text.decode()


def _name(event: Event) -> str:
    return event.event_name if isinstance(event, UnknownEvent) else event.name


def _data(event: Event) -> dict[str, Any]:
    said = event.body if isinstance(event, UnknownEvent) else codec.decode_body(codec.encode(event))
    return saying.told(_name(event), said)


def _customer(data: dict[str, Any]) -> CustomerId | None:
    said = data.get("customer_id")
    return CustomerId(UUID(said)) if isinstance(said, str) else None
