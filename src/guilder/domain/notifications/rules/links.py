"""Unsubscribe links: a token that names a customer and a group of messages, and that nobody else can write.

    token = base64url( version (1) · tenant id (16) · customer id (16) · group (1) · MAC (16) )

It opens without a login and does not expire: it can do no more than switch that group off. The MAC is made by keys derived
from the installation's master keys; the newest writes, every one of the ring reads.
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from guilder.domain.notifications.model import Group
from guilder.domain.notifications.rules.wishes import OPTIONAL
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, TenantId

TOKEN_MAX = 100
_VERSION = 1
_BODY = struct.Struct(">B16s16sB")
_MAC_BYTES = 16
_NUMBERS = {group: number for number, group in enumerate(OPTIONAL, start=1)}

# Answers with one MAC for each key, the newest first.
Sign = Callable[[str], Sequence[bytes]]


class BadUnsubscribeLink(NotFound):
    """There is nothing to unsubscribe from here."""

    code = "bad_unsubscribe_link"


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    tenant_id: TenantId
    customer_id: CustomerId
    group: Group


def write(link: Unsubscribing, sign: Sign) -> str:
    body = _BODY.pack(_VERSION, link.tenant_id.bytes, link.customer_id.bytes, _NUMBERS[link.group])
    return base64.urlsafe_b64encode(body + sign(body.hex())[0][:_MAC_BYTES]).rstrip(b"=").decode()


def read(token: str, sign: Sign) -> Unsubscribing:
    """Return what a token names.

    :raises BadUnsubscribeLink: nobody here wrote it; the same for whatever reason
    """
    raw = _decoded(token)
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    matches = [hmac.compare_digest(mac, each[:_MAC_BYTES]) for each in sign(body.hex())]
    if not any(matches):
        raise BadUnsubscribeLink
    version, tenant, customer, number = _BODY.unpack(body)
    assert version == _VERSION, "what we signed, we wrote"
    group = next(group for group, each in _NUMBERS.items() if each == number)
    return Unsubscribing(TenantId(UUID(bytes=tenant)), CustomerId(UUID(bytes=customer)), group)


def _decoded(token: str) -> bytes:
    if len(token) > TOKEN_MAX or not token.isascii():
        raise BadUnsubscribeLink
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadUnsubscribeLink from error
    # Base 64 has several ways to write the same bytes; only the one that we write is good.
    is_ours = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token
    if len(raw) != _BODY.size + _MAC_BYTES or not is_ours:
        raise BadUnsubscribeLink
    return raw
