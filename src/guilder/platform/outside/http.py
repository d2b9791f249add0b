"""HTTP to addresses that others choose: a webhook's, a provider's. Nobody gets it to knock on an inner door.

The rule is applied where the connection is made: the name is resolved here, every answer is looked at, and the very
address that was found good is connected to. TLS still checks the certificate against the name. So it does not matter
what the name points to a moment later. Names refused when an address is saved are a courtesy to whoever types it.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from guilder.kernel.errors import Invalid
from guilder.platform import tracing
from guilder.platform.db.database import in_transaction
from guilder.platform.outside.intents import CallFailed

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
READ_MAX = 64 * 1024
URL_MAX = 2_048
# Idle connections that are kept, and how long.
KEPT_MAX = 64
KEPT_FOR_S = 15.0
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Beyond what `ipaddress` calls not global: ways to write an IPv4 address inside an IPv6 one (NAT64, 6to4, Teredo,
# compatible), and the old site-local range. Python versions differ on some of them, so all are named.
REFUSED = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10", "::/96")
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".onion")


class UnsafeUrl(Invalid):
    """This address cannot be called: it must be https to a public host."""

    code = "unsafe_url"


class AddressRefused(httpcore.ConnectError):
    """A name leads to an address that is not public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundPolicy:
    """Where calls may go. `allows_loopback` is for sandboxes and development only: 127.0.0.1, ::1 and http, any port."""

    ports: frozenset[int] = frozenset({443})
    allows_http: bool = False
    allows_loopback: bool = False

    def permits(self, address: Address) -> bool:
        inner = getattr(address, "ipv4_mapped", None)
        address = inner or address
        if address.is_loopback:
            return self.allows_loopback
        if any(address in network for network in REFUSED if network.version == address.version):
            return False
        return address.is_global and not address.is_multicast and not address.is_reserved

    def check(self, url: str, *, field: str = "url") -> str:
        """Look at an address without asking anybody; return it in its normal form.

        :raises UnsafeUrl: it is not https, names a port, user or host that is never called, or cannot be read
        """
        if len(url) > URL_MAX or not url.isascii() or any(ord(each) <= 32 for each in url) or "\\" in url:
            raise UnsafeUrl("an address is plain ASCII without spaces, of at most 2048 characters", field=field)
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise UnsafeUrl("this is not an address", field=field) from error
        self._check_parts(parsed, field)
        return str(parsed)

    def permits_port(self, port: int, *, is_loopback: bool) -> bool:
        return port in self.ports or (self.allows_loopback and is_loopback)

    def _check_parts(self, url: httpx.URL, field: str) -> None:
        literal = _literal(url.host)
        # The name stands for the address, so that a developer may write http://localhost:4100/hook.
        is_loopback = literal.is_loopback if literal else url.host == "localhost"
        is_local = self.allows_loopback and is_loopback
        if url.scheme != "https" and not (url.scheme == "http" and (self.allows_http or is_local)):
            raise UnsafeUrl("only https is called", field=field)
        if url.userinfo or not url.host:
            raise UnsafeUrl("an address names a host, and no user", field=field)
        if not self.permits_port(url.port or _default_port(url.scheme), is_loopback=is_local):
            raise UnsafeUrl("this port is not called", field=field)
        if literal is not None and not self.permits(literal):
            raise UnsafeUrl("this host is not public", field=field)
        if literal is None and not is_local and not _is_public_name(url.host):
            raise UnsafeUrl("this host is not public", field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, as far as it was read."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """Return what the other side asked for in seconds; a date is not read, and backoff decides."""
        said = self.headers.get("retry-after", "")
        return float(said) if said.isascii() and said.isdigit() and len(said) < 10 else None


class Outbound:
    """Sends single requests under a policy. One per process and policy: it keeps connections open."""

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        resolve: Resolve | None = None,
        verify: ssl.SSLContext | None = None,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        read_max: int = READ_MAX,
    ) -> None:
        self._policy = policy
        self._total_timeout_s = total_timeout_s
        self._read_max = read_max
        self._client = guarded_client(policy, resolve=resolve, verify=verify)

    async def close(self) -> None:
        await self._client.aclose()

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Answer:
        """Send one request and read up to the limit; redirects are answers like any other.

        :raises UnsafeUrl: the policy refuses the address as it is written
        :raises CallFailed: no answer came, or the name leads to an address that is refused
        """
        checked = self._policy.check(url)
        try:
            async with asyncio.timeout(self._total_timeout_s):
                return await self._send(method, checked, headers or {}, content)
        except TimeoutError as error:
            raise CallFailed(f"no answer within {self._total_timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise CallFailed(f"{type(error).__name__}: {_plain(error)}") from error

    async def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        # What is not asked for compressed is not inflated: 64 kB stay 64 kB.
        sent = {"accept-encoding": "identity", **headers}
        async with self._client.stream(method, url, headers=sent, content=content) as response:
            body, is_cut = bytearray(), False
            async for piece in response.aiter_raw():
                body += piece
                if is_cut := len(body) > self._read_max:
                    break
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=bytes(body[: self._read_max]),
                is_cut=is_cut,
            )


def guarded_client(
    policy: OutboundPolicy, *, resolve: Resolve | None = None, verify: ssl.SSLContext | None = None, **settings: Any
) -> httpx.AsyncClient:
    """Make an httpx client that connects by the rule; `settings` are httpx's (base_url, headers, auth).

    It follows no redirects and heeds no proxy from the environment. Use it for a provider's API; for addresses that
    a customer typed, use Outbound, which also limits what is read and how long that takes.
    """
    timeout = httpx.Timeout(TOTAL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    transport = _GuardedTransport(policy, resolve or system_resolve, verify or ssl.create_default_context())
    return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False, **settings)


async def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver; an address in brackets or numbers is its own answer."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport over a pool whose every connection is made by the rule."""

    def __init__(self, policy: OutboundPolicy, resolve: Resolve, verify: ssl.SSLContext) -> None:
        super().__init__(verify=verify, trust_env=False, retries=0)
        # httpx has no argument for it. The pool's TLS still names the host (SNI, certificate): only TCP is ours.
        # Not limited here, which would be by ten for all hosts: lanes limit calls, each its own destination's.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            network_backend=_GuardedBackend(policy, resolve),
            retries=0,
            max_connections=None,
            max_keepalive_connections=KEPT_MAX,
            keepalive_expiry=KEPT_FOR_S,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert not in_transaction(), f"a call to {request.url.host} with a transaction open"
        # Where it goes is not said: the address of a webhook is its owner's.
        with tracing.span(f"http {request.method}"):
            if (carried := tracing.current()) is not None:
                request.headers["traceparent"] = carried
            response = await super().handle_async_request(request)
            tracing.noted(status=response.status_code)
        return response


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, looks at every answer, and connects to an address that was looked at: never to a name."""

    def __init__(self, policy: OutboundPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._backend: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        last: Exception = httpcore.ConnectError("the name leads nowhere")
        for address in await self._vetted(host, port, timeout):
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("sockets of this machine are not called")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _vetted(self, host: str, port: int, timeout: float | None) -> list[str]:
        literal = _literal(host)
        try:
            async with asyncio.timeout(timeout):
                answers = [host] if literal else await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be resolved") from error
        addresses = [ipaddress.ip_address(answer.partition("%")[0]) for answer in answers]
        # One bad answer spoils all: whoever owns the name mixes them on purpose.
        if not all(self._policy.permits(address) for address in addresses):
            raise AddressRefused("the name leads to an address that is not public")
        if not all(self._policy.permits_port(port, is_loopback=address.is_loopback) for address in addresses):
            raise AddressRefused("this port is not called")
        return [str(address) for address in addresses]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_public_name(host: str) -> bool:
    """Refuse what resolvers read as numbers (127.1, 0x7f000001), names without a dot, and names of inner networks."""
    last = host.rpartition(".")[2]
    if not last or last.isdigit() or last.lower().startswith("0x"):
        return False
    return "." in host and not ("." + host.lower()).endswith(_LOCAL_NAMES)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _plain(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
