"""Addresses that take nothing: how we hear of it, and how it is forgiven."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer
from guilder.domain.notifications import store
from guilder.domain.notifications.events import NotificationBounced
from guilder.domain.notifications.model import (
    TO_STAFF,
    Bounce,
    BounceKind,
    Channel,
    Endpoint,
    EndpointKind,
    Notification,
    Report,
)
from guilder.domain.notifications.rules import reports
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform import crypto
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

_NOT_OF_A_NUMBER = str.maketrans("", "", " ().-")


async def hold_back(
    tx: Tx, *, message: Notification, address: str, kind: BounceKind, reason: str, now: datetime
) -> None:
    """Send nothing more to this address until it changes or somebody clears it. To hear of it again changes nothing."""
    bounce = Bounce(
        tenant_id=message.tenant_id,
        customer_id=message.customer_id,
        channel=message.channel,
        kind=kind,
        address_digest=tx.vault.ring.blind(_plain(address), about=_about(message.customer_id)),
        reason=reports.printable_reason(reason),
        bounced_at=now,
    )
    await _keep(tx, bounce, message.id, now=now)


async def bounces_of(tx: Tx, *, reader: Customer) -> dict[Channel, Bounce]:
    """Return what stands against a customer's present addresses."""
    found = await store.bounces(tx, [Ref(reader.tenant_id, reader.id)])
    addresses = {Channel.EMAIL: reader.email, Channel.SMS: reader.phone}
    return {channel: bounce for (_, channel), bounce in found.items() if is_held_back(tx, bounce, addresses[channel])}


async def clear_bounce(tx: Tx, *, customer_id: CustomerId, channel: Channel, now: datetime) -> None:
    """Send to the address again.

    :raises NotFound: nothing stands against it
    """
    if not await store.clear_bounce(tx, Ref(tx.tenant_id, customer_id), channel, now=now):
        raise NotFound("nothing stands against this address")


async def endpoints(tx: Tx) -> list[Endpoint]:
    return await store.endpoints(tx, [tx.tenant_id])


async def status_callbacks(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, UUID]:
    """Return where Twilio is to report to, of those tenants that have such an address."""
    found = await store.endpoints(tx, tenant_ids)
    return {each.tenant_id: each.id for each in found if each.kind is EndpointKind.TWILIO}


async def make_endpoint(tx: Tx, *, kind: EndpointKind, secret: str = "", now: datetime) -> Endpoint:
    """Make the address that a provider reports to, in the place of the one there was.

    For mail the secret is ours and shown once; for Twilio it is the account's auth token, which Twilio signs with.
    """
    made = Endpoint(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        kind=kind,
        secret=secret or f"whsec_{crypto.new_secret()}",
        created_at=now,
    )
    await store.save_endpoint(tx, made, now=now)
    return made


async def find_endpoint(tx: Tx, *, kind: EndpointKind, endpoint_id: UUID) -> Ref | None:
    """Return whose an endpoint is. The transaction need not see its tenant."""
    return await store.find_endpoint(tx, kind, endpoint_id)


async def endpoint_of(tx: Tx, *, endpoint_id: UUID) -> Endpoint | None:
    return await store.endpoint(tx, endpoint_id)


async def reported_by_mail(tx: Tx, *, report: Report, now: datetime) -> int:
    """Take a report of a mail in; return of how many customers' addresses it speaks.

    By its Message-ID it is that message's reader, if the address is the one that it went to; else every customer that
    has this address. What speaks of nobody here is passed over: a provider may report for others, too.
    """
    reason = reports.printable_reason(report.reason)
    named = reports.notification_of(report.message_id)
    message = await store.one(tx, named) if named is not None else None
    if message is not None and message.channel is Channel.EMAIL:
        await store.mark_bounced(tx, message.ref, reason=reason or report.kind.value, now=now)
        if message.kind in TO_STAFF or message.content is None:
            return 0
        address = message.content.recipient
        if report.recipient and _plain(report.recipient) != _plain(address):
            return 0
        await hold_back(tx, message=message, address=address, kind=report.kind, reason=reason, now=now)
        return 1
    found = await customers.listing(tx, query=PageQuery(), email=report.recipient) if report.recipient else None
    readers = [each for each in found.items if not each.is_erased] if found else []
    for reader in readers:
        await _keep(tx, _bounce_of(tx, reader, report, reason, now), None, now=now)
    return len(readers)


async def reported_by_twilio(tx: Tx, *, form: Mapping[str, str], now: datetime) -> None:
    """Take the status of a text in; a text of which we know nothing is passed over."""
    if form.get("MessageStatus", "") not in reports.TWILIO_LOST:
        return
    message = await store.by_provider_ref(tx, form.get("MessageSid", ""))
    if message is None:
        return
    code = reports.printable_reason(form.get("ErrorCode", ""))
    reason = f"Twilio says {form['MessageStatus']}, code {code}"
    await store.mark_bounced(tx, message.ref, reason=reason, now=now)
    if code in reports.TWILIO_HARD and message.content is not None:
        await hold_back(
            tx, message=message, address=message.content.recipient, kind=BounceKind.BOUNCE, reason=reason, now=now
        )


async def hash_bounces_again(tx: Tx, after: UUID | None, limit: int) -> UUID | None:
    """Hash addresses by the current master key, of a batch of customers behind `after`; return the last, None at the end.

    An address that the customer has no more is known as its hash alone, and is forgotten with the key that made it.
    """
    found = await store.bounces_behind(tx, after, limit)
    readers = await customers.get(tx, refs=[bounce.ref for bounce in found])
    for bounce in found:
        reader = readers.get(bounce.ref)
        address = (reader.email if bounce.channel is Channel.EMAIL else reader.phone) if reader else ""
        if address and is_held_back(tx, bounce, address):
            digest = tx.vault.ring.blind(_plain(address), about=_about(bounce.customer_id))
            await store.save_digest(tx, bounce, digest)
    return found[-1].customer_id if len(found) >= limit else None


def is_held_back(tx: Tx, bounce: Bounce, address: str) -> bool:
    """Say whether it is still the address that took nothing."""
    return bounce.address_digest in tx.vault.ring.blinds(_plain(address), about=_about(bounce.customer_id))


async def _keep(tx: Tx, bounce: Bounce, notification_id: UUID | None, *, now: datetime) -> None:
    if await store.save_bounce(tx, bounce):
        outbox.announce(
            tx,
            [
                NotificationBounced(
                    tenant_id=bounce.tenant_id,
                    notification_id=notification_id,
                    customer_id=bounce.customer_id,
                    channel=bounce.channel.value,
                    bounce=bounce.kind.value,
                )
            ],
            now=now,
        )


def _bounce_of(tx: Tx, reader: Customer, report: Report, reason: str, now: datetime) -> Bounce:
    return Bounce(
        tenant_id=reader.tenant_id,
        customer_id=reader.id,
        channel=Channel.EMAIL,
        kind=report.kind,
        address_digest=tx.vault.ring.blind(_plain(reader.email), about=_about(reader.id)),
        reason=reason,
        bounced_at=now,
    )


def _plain(address: str) -> str:
    return address.strip().lower() if "@" in address else address.translate(_NOT_OF_A_NUMBER)


def _about(customer_id: CustomerId) -> str:
    # By customer, so that digests of two customers' addresses cannot be compared.
    return f"notifications.bounces:{customer_id}"
