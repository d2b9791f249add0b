"""Payment links: a token that names a tenant's invoice until a day, and that nobody else can write.

    token = base64url( version (1) · tenant id (16) · invoice id (16) · expiry in seconds (8) · MAC (16) )

The MAC is made by keys derived from the installation's master keys: the newest writes, every one of the ring reads, so
that links outlive a rotation. It is compared in constant time.
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref, TenantId

DAYS_VALID = 90
TOKEN_MAX = 100
_VERSION = 1
_BODY = struct.Struct(">B16s16sQ")
_MAC_BYTES = 16

# Answers with one MAC for each key, the newest first.
Sign = Callable[[str], Sequence[bytes]]


class BadLink(NotFound):
    """There is no such payment page."""

    code = "bad_payment_link"


@dataclass(frozen=True, slots=True)
class Link:
    tenant_id: TenantId
    invoice_id: UUID
    expires_at: datetime

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at


def link_for(invoice: Ref, *, now: datetime) -> Link:
    expires_at = (now + timedelta(days=DAYS_VALID)).replace(microsecond=0)
    return Link(invoice.tenant_id, invoice.id, expires_at)


def write(link: Link, sign: Sign) -> str:
    body = _BODY.pack(_VERSION, link.tenant_id.bytes, link.invoice_id.bytes, int(link.expires_at.timestamp()))
    return base64.urlsafe_b64encode(body + _macs(body, sign)[0]).rstrip(b"=").decode()


def read(token: str, sign: Sign) -> Link:
    """Return what a token names. Whether it has expired is for the tenant's clock to say.

    :raises BadLink: nobody here wrote it; the same for whatever reason
    """
    raw = _decoded(token)
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    matches = [hmac.compare_digest(mac, each) for each in _macs(body, sign)]
    if not any(matches):
        raise BadLink
    version, tenant, invoice, expires_s = _BODY.unpack(body)
    assert version == _VERSION, "what we signed, we wrote"
    return Link(TenantId(UUID(bytes=tenant)), UUID(bytes=invoice), datetime.fromtimestamp(expires_s, UTC))


def _decoded(token: str) -> bytes:
    if len(token) > TOKEN_MAX or not token.isascii():
        raise BadLink
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadLink from error
    # Base 64 has several ways to write the same bytes; only the one that we write is good.
    is_ours = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token
    if len(raw) != _BODY.size + _MAC_BYTES or not is_ours:
        raise BadLink
    return raw


def _macs(body: bytes, sign: Sign) -> list[bytes]:
    return [mac[:_MAC_BYTES] for mac in sign(body.hex())]
