"""Replaying: what was sent, looked at and sent again; and a ping."""

from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.webhooks.events import WebhookDeliveriesReplayed
from guilder.domain.webhooks.model import Attempt, Endpoint, Message, NewMessage, Replay, Status
from guilder.domain.webhooks.rules import saying, wanting
from guilder.domain.webhooks.service import managing
from guilder.domain.webhooks.service.sending import call_up, intend
from guilder.domain.webhooks.store import endpoints as store
from guilder.domain.webhooks.store import messages
from guilder.domain.webhooks.store.messages import Line
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

REPLAY_MAX = 5_000
ATTEMPTS_SHOWN_MAX = 100


class EndpointDisabled(Conflict):
    """This endpoint is disabled: enable it, then replay."""

    code = "webhook_endpoint_disabled"


async def replay(tx: Tx, *, message_id: UUID, now: datetime) -> Message:
    """Send one message again, under the same id. What is under way, or waits for its turn, is left at that.

    :raises NotFound: no such delivery
    :raises EndpointDisabled: nothing is sent there
    """
    found = await _message(tx, message_id)
    await _active(tx, found.endpoint_id)
    locked = (await messages.lock(tx, [found.ref]))[found.ref]
    if not locked.is_out and (locked.has_begun or locked.status is Status.DEAD):
        await _begin_anew(tx, locked.endpoint_ref, [locked.ref], now=now)
    return await _message(tx, message_id)


async def replay_range(tx: Tx, *, endpoint_id: UUID, wanted: Replay, now: datetime) -> list[Ref]:
    """Send what an endpoint was sent again, oldest first, and return which: at most 5,000, the rest when asked again for what
    follows on the last of them.

    :raises NotFound: no such endpoint, or no such delivery to follow on
    :raises EndpointDisabled: nothing is sent there
    """
    endpoint = await _active(tx, endpoint_id)
    if wanted.after is not None:
        await _message(tx, wanted.after)
    refs = await messages.replayable(tx, endpoint.ref, wanted, limit=REPLAY_MAX)
    await _begin_anew(tx, endpoint.ref, refs, now=now)
    return refs


async def ping(tx: Tx, *, endpoint_id: UUID, now: datetime) -> Message:
    """Send an endpoint a `webhooks.ping`, signed and tried like any message.

    :raises NotFound: no such endpoint
    :raises EndpointDisabled: nothing is sent there
    """
    endpoint = await _active(tx, endpoint_id)
    event_id = ids.new(now)
    body = saying.payload(wanting.PING, occurred_at=now, event_id=event_id, data={"endpoint_id": str(endpoint.id)})
    new = NewMessage(
        tenant_id=endpoint.tenant_id,
        id=ids.new(now),
        endpoint_id=endpoint.id,
        event_id=event_id,
        event_name=wanting.PING,
        line=event_id,
        customer_id=None,
        body=msgspec.json.encode(body).decode(),
        occurred_at=now,
    )
    await messages.insert(tx, [new], now=now)
    await call_up(tx, lines=[Line(new.tenant_id, new.endpoint_id, new.line)], now=now)
    return await _message(tx, new.id)


async def deliveries(
    tx: Tx, *, endpoint_id: UUID, query: PageQuery, status: Status | None = None, event_name: str | None = None
) -> Page[Message]:
    """List what was sent, or is to be sent, to an endpoint, newest first; of one that was deleted, too, until it is old.

    :raises NotFound: no such endpoint
    """
    endpoint = await managing.one(tx, endpoint_id=endpoint_id, with_deleted=True)
    rows = await messages.listing(tx, endpoint.ref, query, status=status, event_name=event_name)
    return page_of(rows, query, lambda each: each.id)


async def delivery(tx: Tx, *, message_id: UUID) -> tuple[Message, list[Attempt]]:
    """Return a message with the latest attempts at it, the first of them first.

    :raises NotFound: no such delivery
    """
    found = await _message(tx, message_id)
    return found, await messages.attempts(tx, found.ref, limit=ATTEMPTS_SHOWN_MAX)


async def _begin_anew(tx: Tx, endpoint: Ref, refs: list[Ref], *, now: datetime) -> None:
    if not refs:
        return
    await messages.begin_anew(tx, refs)
    await intend(tx, refs=refs, now=now)
    event = WebhookDeliveriesReplayed(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id, count=len(refs))
    outbox.announce(tx, [event], now=now)


async def _active(tx: Tx, endpoint_id: UUID) -> Endpoint:
    """Lock an endpoint that is sent messages."""
    ref = Ref(tx.tenant_id, endpoint_id)
    endpoint = (await store.lock(tx, [ref])).get(ref)
    if endpoint is None or endpoint.deleted_at is not None:
        raise NotFound("there is no such webhook endpoint")
    if not endpoint.is_active:
        raise EndpointDisabled
    return endpoint


async def _message(tx: Tx, message_id: UUID) -> Message:
    ref = Ref(tx.tenant_id, message_id)
    found = (await messages.get(tx, [ref])).get(ref)
    if found is None:
        raise NotFound("there is no such delivery")
    return found
