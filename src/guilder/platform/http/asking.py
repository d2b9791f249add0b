"""A request's head, read at one look: who asks, by which id, and that it says nothing else that could matter.

Whoever answers before the application is asked (`at_hand`, `ahead`) looks at nothing of a request but what is here: what
has any other header is not read, and goes the whole way.
"""

from secrets import token_hex
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

from guilder.platform.http.exchange import request_id_of

# Headers that make no answer another one. Any that is not here has the request go the whole way.
USUAL = frozenset(
    {
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"connection",
        b"x-request-id",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-real-ip",
    }
)
OF_BODY = frozenset({b"content-type", b"content-length"})
# Of what changes something: asked for again, it is to be done once.
KEY = b"idempotency-key"
# Headers that have the edge do something, whoever sends them; and all of our own.
ACTED_ON = frozenset(
    {
        b"origin",
        b"access-control-request-method",
        b"expect",
        KEY,
        b"prefer",
        b"traceparent",
        b"transfer-encoding",
    }
)
OURS = b"guilder-"
JSON = b"application/json"
_LENGTH_DIGITS_MAX = 9


class Asking(NamedTuple):
    """A request as far as it is looked at: the one header that says who asks, its id, how long its JSON is, and its key."""

    authorization: bytes
    request_id: str
    length: int = 0
    key: bytes | None = None


def asking_of(scope: Scope) -> Asking | None:
    """Read a request's head; None where it says anything that is not usual."""
    method = scope["method"]
    if method not in ("GET", "POST"):
        return None
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found or (name not in USUAL and name not in OF_BODY and (name != KEY or method == "GET")):
            # Of most headers a second one would be no matter, but hardly anybody sends it.
            return None
        found[name] = value
    authorization = found.get(b"authorization")
    if authorization is None:
        return None
    length = _length(found) if method == "POST" else -1 if not OF_BODY.isdisjoint(found) else 0
    if length < 0:
        return None
    request_id = made_id() if b"x-request-id" not in found else request_id_of(Headers(scope=scope), made_id())
    return Asking(authorization, request_id, length, found.get(KEY))


def stranger_of(scope: Scope) -> Asking | None:
    """Read the head of what nobody whom we know sends; None where it says anything that the edge would act on.

    Its sender's own headers (a signature has another name at each) are for whoever reads it.
    """
    length, is_named = b"", False
    for name, value in scope["headers"]:
        if name in ACTED_ON or name.startswith(OURS):
            return None
        if name == b"content-length":
            length = value
        is_named = is_named or name == b"x-request-id"
    if not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
        return None
    return Asking(b"", request_id_of(Headers(scope=scope), made_id()) if is_named else made_id(), int(length))


def made_id() -> str:
    """Make an id for a request that came without one."""
    return f"req_{token_hex(12)}"


def _length(found: dict[bytes, bytes]) -> int:
    """Return the length of a body of plain JSON; -1 where it is any other."""
    said = found.get(b"content-length", b"")
    if found.get(b"content-type") != JSON or not said.isdigit() or len(said) > _LENGTH_DIGITS_MAX:
        return -1
    return int(said)
