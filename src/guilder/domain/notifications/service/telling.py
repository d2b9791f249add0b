"""Telling customers: what is to be said, sending it, what came of it, and reading it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Tenant
from guilder.domain.notifications import store
from guilder.domain.notifications.events import NotificationFailed, NotificationRequested, NotificationSent
from guilder.domain.notifications.model import (
    TO_STAFF,
    BounceKind,
    Channel,
    Delivery,
    Kind,
    NewNotification,
    Notification,
    Status,
)
from guilder.domain.notifications.service import bouncing
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents as outside
from guilder.platform.outside.intents import NewIntent
from guilder.platform.outside.templating import Templates

MAIL = "mail.send"
SMS = "sms.send"
MAILBOXES_MAX = 200

TEMPLATES = Templates("guilder.domain.notifications")
assert set(TEMPLATES.kinds) == {kind.value for kind in Kind}

# Kept messages never wait behind a server that is down: a sandbox must come to rest whatever happens outside.
_LOCAL = "mailbox"
_CALLS = {Channel.EMAIL: (MAIL, "smtp"), Channel.SMS: (SMS, "sms")}


class Mailbox(NamedTuple):
    """The tenants whose mail may be looked at here, and a page of it, the newest first."""

    tenants: dict[TenantId, Tenant]
    page: Page[Notification]


async def tell(tx: Tx, *, messages: Sequence[NewNotification], now: datetime) -> list[Notification]:
    """Have customers told, once for each cause and channel: by e-mail, and by SMS where there is a phone and a text.

    An erased customer is told nothing; what is said of one to the staff names its pseudonym.
    """
    refs = sorted({Ref(each.tenant_id, each.customer_id) for each in messages})
    readers = await customers.get(tx, refs=refs) if refs else {}
    made = [
        _made(message, readers[ref], channel, now)
        for message in messages
        if (ref := Ref(message.tenant_id, message.customer_id)) in readers
        and (not readers[ref].is_erased or message.kind in TO_STAFF)
        for channel in _channels(message.kind, readers[ref])
    ]
    written = await store.insert(tx, made) if made else set()
    new = [each for each in made if each.ref in written]
    outbox.announce(tx, [_requested(each) for each in new], now=now)
    return new


async def dispatch(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Write the intents that send what waits; but what is held for its document goes when that is there."""
    waiting = [each for each in await store.get(tx, refs) if each.status is Status.PENDING and each.held_until is None]
    if not waiting:
        return
    tenants = await identity.tenants(tx, ids=sorted({each.tenant_id for each in waiting}))
    await outside.intend(tx, intents=[_intent(each, tenants[each.tenant_id]) for each in waiting], now=now)


async def release(tx: Tx, *, invoices: Sequence[Ref], now: datetime) -> None:
    """Send the receipts that waited for the documents of these invoices."""
    await dispatch(tx, refs=await store.release(tx, causes=invoices, kind=Kind.PAYMENT_SUCCEEDED), now=now)


async def release_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Send what has waited for its document long enough, without it."""
    released = await store.release_due(tx, refs, now=now)
    await dispatch(tx, refs=released, now=now)
    return len(released)


async def waiting(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Notification]:
    """Return those of these messages that are still to be sent; one that was given up is, if somebody has it sent again."""
    found = await store.get(tx, refs)
    if given_up := [each.ref for each in found if each.status is Status.FAILED]:
        await store.take_up(tx, given_up)
        found = await store.get(tx, refs)
    return {each.ref: each for each in found if each.status is Status.PENDING}


async def record(tx: Tx, *, deliveries: Sequence[Delivery], now: datetime) -> None:
    """Note what came of messages and seal what they said; one that has an outcome keeps it."""
    if not deliveries:
        return
    by_ref = {each.ref: each for each in deliveries}
    pending = await store.lock_pending(tx, list(by_ref))
    readers = await customers.get(tx, refs=sorted({Ref(each.tenant_id, each.customer_id) for each in pending}))
    pairs = [
        (each, _readable(by_ref[each.ref], readers.get(Ref(each.tenant_id, each.customer_id)))) for each in pending
    ]
    if pairs:
        await store.save(tx, pairs, now=now)
    outbox.announce(tx, [_sent(each) for each, d in pairs if d.status in (Status.SENT, Status.KEPT)], now=now)
    outbox.announce(tx, [_failed(each, d.detail) for each, d in pairs if d.status is Status.FAILED], now=now)
    for each, d in pairs:
        # Of staff's own address nothing is kept: it is the issuer's, and the customer's is not to be held back for it.
        if d.refused_address and each.kind not in TO_STAFF:
            await bouncing.hold_back(
                tx, message=each, address=d.refused_address, kind=BounceKind.BOUNCE, reason=d.detail, now=now
            )


async def told(tx: Tx, *, kind: Kind, causes: Sequence[Ref]) -> set[Ref]:
    return await store.told(tx, kind=kind, causes=causes)


async def followed(tx: Tx, *, refs: Sequence[Ref]) -> set[Ref]:
    """Return those of these messages that another one of their kind about the same subscription came after."""
    return await store.followed(tx, refs) if refs else set()


async def one(tx: Tx, *, notification_id: UUID, customer_id: CustomerId | None = None) -> Notification:
    """Return a message with what it says; with `customer_id`, only if it is that customer's.

    :raises NotFound: no such message, or not that customer's
    """
    found = await store.one(tx, notification_id)
    is_hidden = found is not None and customer_id is not None and found.kind in TO_STAFF
    if found is None or is_hidden or customer_id not in (None, found.customer_id):
        raise NotFound("there is no such notification")
    return found


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    kind: Kind | None = None,
    channel: Channel | None = None,
    is_customers: bool = False,
) -> Page[Notification]:
    """List messages, newest first. To a customer (`is_customers`), without what was said to the tenant's staff."""
    hides = sorted(TO_STAFF) if is_customers else []
    rows = await store.listing(tx, query, customer_id=customer_id, kind=kind, channel=channel, hides=hides)
    return page_of(rows, query, lambda each: each.id)


async def mailbox(tx: Tx, *, query: PageQuery, only: TenantId | None = None) -> Mailbox:
    """Return what tenants that only play (sandboxes, tests) have sent; of one of them, if asked.

    The transaction sees them from here on. Never a live tenant's; the caller sees to it that this is no production.
    """
    seen = await store.mailboxes(tx, limit=MAILBOXES_MAX)
    await tx.narrow(seen)
    tenants = await identity.tenants(tx, ids=seen)
    if only is not None:
        await tx.narrow({only} & set(seen))
    return Mailbox(tenants, await listing(tx, query=query))


async def from_mailbox(tx: Tx, *, notification_id: UUID) -> Notification:
    """Return a message of a tenant that only plays. The transaction sees those tenants from here on.

    :raises NotFound: no such message, or a live tenant's
    """
    await tx.narrow(await store.mailboxes(tx, limit=MAILBOXES_MAX))
    return await one(tx, notification_id=notification_id)


def _channels(kind: Kind, reader: Customer) -> list[Channel]:
    has_sms = bool(reader.phone) and kind.value in TEMPLATES.sms_kinds
    return [Channel.EMAIL, *([Channel.SMS] if has_sms else [])]


def _made(message: NewNotification, reader: Customer, channel: Channel, now: datetime) -> Notification:
    return Notification(
        tenant_id=message.tenant_id,
        id=ids.new(now),
        customer_id=message.customer_id,
        channel=channel,
        kind=message.kind,
        status=Status.PENDING,
        cause_id=message.cause_id,
        about=message.about,
        language=reader.language,
        created_at=now,
        held_until=message.held_until if channel is Channel.EMAIL else None,  # a text carries no document
    )


def _intent(notification: Notification, tenant: Tenant) -> NewIntent:
    kind, destination = _CALLS[notification.channel]
    return NewIntent(
        tenant_id=notification.tenant_id,
        kind=kind,
        destination=_LOCAL if tenant.is_sandbox else destination,
        subject_id=notification.id,
    )


def _readable(delivery: Delivery, reader: Customer | None) -> Delivery:
    """Keep nothing about a customer who was erased while the message was out."""
    return delivery if reader is not None and not reader.is_erased else replace(delivery, content=None)


def _requested(each: Notification) -> NotificationRequested:
    return NotificationRequested(
        tenant_id=each.tenant_id,
        notification_id=each.id,
        customer_id=each.customer_id,
        channel=each.channel.value,
        kind=each.kind.value,
    )


def _sent(each: Notification) -> NotificationSent:
    return NotificationSent(
        tenant_id=each.tenant_id,
        notification_id=each.id,
        customer_id=each.customer_id,
        channel=each.channel.value,
        kind=each.kind.value,
    )


def _failed(each: Notification, detail: str) -> NotificationFailed:
    return NotificationFailed(
        tenant_id=each.tenant_id,
        notification_id=each.id,
        customer_id=each.customer_id,
        channel=each.channel.value,
        kind=each.kind.value,
        detail=detail,
    )
