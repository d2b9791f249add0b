"""Signatures of what comes in: Standard Webhooks 1.0, which Svix made, and Clerk sends by."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

PREFIX = "whsec_"
TOLERANCE_S = 300
SIGNATURES_MAX = 10
ID_MAX = 255
SECRET_BYTES_MIN = 16


class Unsigned(ValueError):
    """Nobody who has the secret sent this, or not now."""


def key_of(secret: str) -> bytes:
    """Return the key in a `whsec_…` secret.

    :raises ValueError: it is none
    """
    if not secret.startswith(PREFIX):
        raise ValueError("a webhook secret begins with whsec_")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    if len(key) < SECRET_BYTES_MIN:
        raise ValueError("a webhook secret has 128 bits or more")
    return key


def message_id(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
    """Return the id of a message that was signed with the secret within five minutes.

    :raises Unsigned: by nobody who has it, too long ago, or dated in the future
    """
    name, stamp, signatures = (_header(headers, each) for each in ("id", "timestamp", "signature"))
    if not 0 < len(name) <= ID_MAX or not name.isascii() or not name.isprintable():
        raise Unsigned("id")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Unsigned("timestamp")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
        raise Unsigned("too old, or of the future")
    wanted = hmac.new(key_of(secret), f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    given = [each.removeprefix("v1,") for each in signatures.split(" ")[:SIGNATURES_MAX] if each.startswith("v1,")]
    if not any([hmac.compare_digest(_decoded(each), wanted) for each in given]):  # noqa: C419  (each is looked at)
        raise Unsigned("signature")
    return name


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(f"svix-{name}") or headers.get(f"webhook-{name}") or ""


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
