"""Endpoints: made, changed, rotated, enabled, given up."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.webhooks.events import (
    WebhookEndpointChanged,
    WebhookEndpointCreated,
    WebhookEndpointDeleted,
    WebhookEndpointDisabled,
    WebhookEndpointEnabled,
    WebhookSecretRotated,
)
from guilder.domain.webhooks.model import Endpoint, Wish
from guilder.domain.webhooks.rules import schedule, signing, wanting
from guilder.domain.webhooks.store import endpoints as store
from guilder.domain.webhooks.store import messages as sent
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.event import Event
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import codec, outbox
from guilder.platform.bus.codec import UnknownEvent
from guilder.platform.db.tx import Tx
from guilder.platform.outside.http import OutboundPolicy

ENDPOINTS_MAX = 20
PUBLIC = OutboundPolicy()
LOCAL = OutboundPolicy(allows_loopback=True)


class TooManyEndpoints(Conflict):
    """A tenant has at most 20 endpoints; delete one that is not needed."""

    code = "too_many_webhook_endpoints"


class NoLoopbackHere(Invalid):
    """Only a sandbox or test tenant of an installation that is not production may be sent events on its own machine."""

    code = "loopback_not_allowed"


class UnknownEvents(Invalid):
    """There is no such event."""

    code = "unknown_event"


async def create(tx: Tx, *, wish: Wish, may_loop: bool, now: datetime) -> tuple[Endpoint, str]:
    """Begin to send events to an address; return the endpoint and its secret, which is not shown again.

    `may_loop`: this tenant may name its own machine, if the wish says so.

    :raises UnsafeUrl: the address is not https to a public host on port 443
    :raises NoLoopbackHere: the wish is for loopback, and this tenant may not
    :raises UnknownEvents: no event has this name or beginning
    :raises TooManyEndpoints: there are 20 already
    """
    await store.lock_tenant(tx, tx.tenant_id)
    if await store.count(tx, tx.tenant_id) >= ENDPOINTS_MAX:
        raise TooManyEndpoints
    endpoint = Endpoint(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        wish=_checked(wish, may_loop=may_loop),
        created_at=now,
        configured_at=now,
    )
    secret = _new_secret()
    await store.insert(tx, endpoint, secret=secret, now=now)
    _announce(tx, WebhookEndpointCreated(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id), now=now)
    return endpoint, secret


async def change(tx: Tx, *, endpoint_id: UUID, wish: Wish, may_loop: bool, now: datetime) -> Endpoint:
    """Send other events, or send them elsewhere, from now on. What waits is sent to the new address.

    :raises NotFound: no such endpoint
    """
    endpoint = await _locked(tx, endpoint_id)
    changed = replace(endpoint, wish=_checked(wish, may_loop=may_loop), configured_at=now)
    await store.change(tx, changed)
    _announce(tx, WebhookEndpointChanged(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id), now=now)
    return changed


async def rotate(tx: Tx, *, endpoint_id: UUID, now: datetime) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret, which is shown once; the one before signs as well for a day.

    :raises NotFound: no such endpoint
    """
    endpoint = await _locked(tx, endpoint_id)
    secret, until = _new_secret(), now + schedule.OVERLAP
    await store.rotate(tx, endpoint.ref, secret=secret, previous_until=until, now=now)
    event = WebhookSecretRotated(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id, previous_until=until)
    _announce(tx, event, now=now)
    return replace(endpoint, previous_until=until), secret


async def enable(tx: Tx, *, endpoint_id: UUID, now: datetime) -> Endpoint:
    """Send events to a disabled endpoint again, from now on. What had waited for it can be replayed; what happened while
    it was disabled was written for nobody, and is in the feed.

    :raises NotFound: no such endpoint
    """
    endpoint = await _locked(tx, endpoint_id)
    if endpoint.is_active:
        return endpoint
    enabled = replace(
        endpoint, disabled_at=None, disabled_reason=None, failing_since=None, failures=0, configured_at=now
    )
    await store.note_health(tx, [enabled])
    _announce(tx, WebhookEndpointEnabled(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id), now=now)
    return enabled


async def delete(tx: Tx, *, endpoint_id: UUID, now: datetime) -> Endpoint:
    """Send nothing there any more. Deliveries stay to be looked at until they are old; the secrets are gone at once.

    :raises NotFound: no such endpoint
    """
    endpoint = await _locked(tx, endpoint_id)
    await sent.give_up(tx, [endpoint.ref], reason="the endpoint was deleted", now=now)
    await store.delete(tx, endpoint.ref, now=now)
    _announce(tx, WebhookEndpointDeleted(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id), now=now)
    return replace(endpoint, deleted_at=now, previous_until=None)


async def disable(tx: Tx, *, endpoints: Sequence[Endpoint], now: datetime) -> None:
    """Note that these, which are locked, are sent nothing any more, and say so. What waited can be replayed later."""
    if not endpoints:
        return
    await sent.give_up(tx, [each.ref for each in endpoints], reason="the endpoint was disabled", now=now)
    events = [
        WebhookEndpointDisabled(
            tenant_id=each.tenant_id,
            endpoint_id=each.id,
            reason=each.disabled_reason.value if each.disabled_reason else "",
            failing_since=each.failing_since,
            failures=each.failures,
        )
        for each in endpoints
    ]
    outbox.announce(tx, events, now=now)


async def listing(tx: Tx) -> list[Endpoint]:
    """Return the tenant's endpoints, the newest first."""
    return await store.listing(tx, tx.tenant_id)


async def one(tx: Tx, *, endpoint_id: UUID, with_deleted: bool = False) -> Endpoint:
    """Return an endpoint of the tenant; `with_deleted`: one that was deleted, too.

    :raises NotFound: no such endpoint
    """
    ref = Ref(tx.tenant_id, endpoint_id)
    found = (await store.get(tx, [ref])).get(ref)
    return found if found is not None and with_deleted else _found(found)


async def _locked(tx: Tx, endpoint_id: UUID) -> Endpoint:
    ref = Ref(tx.tenant_id, endpoint_id)
    return _found((await store.lock(tx, [ref])).get(ref))


def _found(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None or endpoint.deleted_at is not None:
        raise NotFound("there is no such webhook endpoint")
    return endpoint


def _checked(wish: Wish, *, may_loop: bool) -> Wish:
    if wish.allows_loopback and not may_loop:
        raise NoLoopbackHere(field="allows_loopback")
    strange = wanting.unknown(wish.events, codec.known_types().keys() - {UnknownEvent.name})
    if strange:
        raise UnknownEvents(f"there is no event {strange[0]}", field="events")
    policy = LOCAL if wish.allows_loopback else PUBLIC
    return replace(wish, url=policy.check(wish.url), events=tuple(dict.fromkeys(wish.events)))


def _new_secret() -> str:
    return signing.secret_of(secrets.token_bytes(signing.SECRET_BYTES))


def _announce(tx: Tx, event: Event, *, now: datetime) -> None:
    outbox.announce(tx, [event], now=now)
