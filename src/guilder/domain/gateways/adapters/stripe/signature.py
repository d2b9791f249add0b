"""How Stripe signs its webhooks: `Stripe-Signature: t=<unix seconds>,v1=<hex hmac-sha256>`, one `v1` for each secret.

Not the SDK's check: it takes signatures that are dated in the future.
"""

import hashlib
import hmac
from datetime import datetime

from guilder.domain.gateways.port import BadNotice

HEADER = "stripe-signature"
HEADER_MAX = 1_000
TOLERANCE_S = 300
# While a secret is being rotated Stripe signs with the old and the new one.
_SIGNATURES_MAX = 5


def verify(header: str | None, body: bytes, *, secret: str, now: datetime) -> None:
    """Check that whoever has the secret signed these very bytes within five minutes of now, before or after.

    :raises BadNotice: anything else
    """
    if not secret or not header or len(header) > HEADER_MAX or not header.isascii():
        raise BadNotice
    at, given = _parts(header)
    expected = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    # Each is compared, whichever fits: the time that it takes tells nothing.
    fits = [hmac.compare_digest(expected, each) for each in given]
    if not any(fits) or abs(now.timestamp() - int(at)) > TOLERANCE_S:
        raise BadNotice


def _parts(header: str) -> tuple[str, list[str]]:
    times: list[str] = []
    signatures: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            times.append(value)
        elif name == "v1":
            signatures.append(value)
    if len(times) != 1 or not 0 < len(times[0]) < 16 or not times[0].isdigit():
        raise BadNotice
    if not 0 < len(signatures) <= _SIGNATURES_MAX:
        raise BadNotice
    return times[0], signatures
