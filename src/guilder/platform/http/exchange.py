"""One request as the edge sees it from its first byte to its last, before and beside anything a route knows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from starlette.datastructures import Headers

from guilder.kernel.errors import Unauthenticated
from guilder.platform.auth.principal import Principal
from guilder.platform.logging import mask_text

WAIT_MAX_S = 30
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_WAIT = re.compile(r"wait=\"?(\d{1,4})\"?", re.IGNORECASE)
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What an authenticator may look at: never the body, never the query (credentials in an address are logged)."""

    method: str
    path: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    client_ip: str
    steps_up: bool = False  # it wants something sensitive: whoever can look twice does

    @property
    def bearer(self) -> str | None:
        """Return the bearer token, None if no Authorization header came.

        :raises Unauthenticated: another scheme, or not a token
        """
        header = self.headers.get("authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token.strip()):
            raise Unauthenticated
        return token.strip()


class Authenticator(Protocol):
    async def principal(self, request: RequestHead) -> Principal:
        """Say who asks.

        :raises Unauthenticated: nobody whom we know; the same refusal for whatever reason
        """
        ...


class AtHandAuthenticator(Protocol):
    def at_hand(self, authorization: bytes) -> Principal | None:
        """Say who asks without waiting for anything; None where that has to be looked at."""
        ...


@dataclass(slots=True)
class Exchange:
    """`headers` are set on the answer whatever it is; `route` is the template, for logs: a path may hold a secret."""

    request_id: str
    client_ip: str
    started_s: float
    route: str = ""
    principal: Principal | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: str | None = None


def request_id_of(headers: Headers, made: str) -> str:
    """Keep the client's own id where it is sane, so that both sides can find it."""
    given = headers.get("x-request-id", "")
    # It is written down everywhere: what looks like a card or a secret is not taken over.
    return given if _REQUEST_ID.fullmatch(given) and mask_text(given) == given else made


def traceparent_of(headers: Headers) -> str | None:
    given = headers.get("traceparent", "")
    return given if _TRACE.fullmatch(given) else None


def wait_of(headers: Headers) -> int:
    """Read `Prefer: wait=N`: what is preferred, not demanded, so nonsense is nothing and more than 30 s is 30 s."""
    for value in headers.getlist("prefer"):
        found = _WAIT.search(value)
        if found:
            return min(int(found[1]), WAIT_MAX_S)
    return 0


def client_ip_of(peer: str, headers: Headers, trusted: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """Return the address that asks: the peer's, or what the nearest proxies that we trust say in X-Forwarded-For."""
    if not trusted or not _is_trusted(peer, trusted):
        return peer
    hops = [hop.strip() for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
    for hop in reversed(hops):
        if not _is_address(hop):
            return peer
        if not _is_trusted(hop, trusted):
            return hop
        peer = hop
    return peer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    if not _is_address(text):
        return False
    address = ip_address(text)
    return any(address.version == network.version and address in network for network in trusted)
