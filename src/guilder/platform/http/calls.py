"""What the audit is told of calls: each that changed something and committed, each sensitive reading, each refusal.

A call is announced in its own transaction, so there is no call without its record and no record without its call. What
was sent is not in it: neither body nor query, and of the path only ids, because the rest may be somebody's name or a
secret; of the address only the network, of the key only its hash.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote

import structlog
from starlette.datastructures import Headers

from guilder.kernel.errors import Malformed
from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.auth.principal import Principal
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealing
from guilder.platform.http.exchange import Exchange

TOPIC = "audit.calls"
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
REASON_HEADER = "Guilder-Reason"
REASON_MAX = 500
REASON_FIELD = "audit.records.sealed_reason"
AGENT_MAX = 400
DENIALS_PER_MINUTE = 10
DENIED_MAX = 10_000
MINUTE_S = 60.0
READ_ONCE_S = 3_600.0
READS_MAX = 50_000
# Whoever asks asks again: addresses and programs that were looked at already.
SEEN_MAX = 4_096

_ID = re.compile(r"[a-z]{2,8}_[0-7][0-9a-hjkmnp-tv-z]{25}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REASON = re.compile(r"(?:[\x20-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})*")
_AGENTS = (
    # The order matters: most browsers name others, too.
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
    ("node", "Node"),
    ("Go-http-client", "Go"),
    ("Java", "Java"),
    ("okhttp", "Java"),
    ("Ruby", "Ruby"),
    ("PHP", "PHP"),
    ("Guzzle", "PHP"),
)

log = structlog.get_logger("guilder.http")


class BadReason(Malformed):
    """A reason is up to 500 characters of text, URL-encoded."""

    code = "bad_reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Event):
    """A call over HTTP. `objects` are the ids in its path; `caller` is the kind of principal, empty for nobody we know."""

    topic: ClassVar = TOPIC
    key: ClassVar = "tenant_id"

    method: str
    route: str
    objects: tuple[str, ...]
    caller: str
    role: str
    customer_id: CustomerId | None
    network: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade(Call):
    """It changed something, and that was committed. `status` is none where the answer was still to be made."""

    name: ClassVar = "http.call.made"

    status: int | None
    key_hash: str | None = None
    sealed_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMade(Call):
    """Something sensitive was read."""

    name: ClassVar = "http.read.made"

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDenied(Call):
    """It was refused by 403. `times` is more than one where one record stands for many."""

    name: ClassVar = "http.call.denied"

    code: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls what, from where: the part that every record of a call has."""

    method: str
    route: str
    objects: tuple[str, ...]
    principal: Principal | None
    network: str
    agent: str

    @classmethod
    def of(cls, exchange: Exchange, *, method: str, path: Mapping[str, Any], headers: Headers) -> "Caller":
        return cls(
            method=method,
            route=exchange.route,
            objects=tuple(text for each in path.values() if _ID.fullmatch(text := str(each))),
            principal=exchange.principal,
            network=network_of(exchange.client_ip),
            agent=agent_of(headers.get("user-agent", "")[:AGENT_MAX]),
        )

    def tenant_id(self, tx: Tx) -> TenantId:
        # Who asks has a tenant, and the call is that one's, though it may have made another: a sandbox. Not so where staff
        # who look into a sandbox sign out or prove anew who they are: sessions are their own tenant's.
        asks = self.principal
        return asks.tenant_id if asks and asks.tenant_id in tx.tenants else tx.tenant_id

    def about(self, tenant_id: TenantId) -> dict[str, Any]:
        who = self.principal
        return {
            "tenant_id": tenant_id,
            "method": self.method,
            "route": self.route,
            "objects": self.objects,
            "caller": who.kind.value if who else "",
            "role": who.role.value if who else "",
            "customer_id": who.customer_id if who else None,
            "network": self.network,
            "agent": self.agent,
        }


class Made(NamedTuple):
    """A call that was made, by its request, and under which key."""

    caller: Caller
    request_id: str
    key: str | None


async def tell_made(
    tx: Tx,
    caller: Caller,
    *,
    status: int | None,
    key: str | None,
    reason: str | None,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Announce, in the transaction of the call itself, that it was made. `request_id`: where it is one of several."""
    sealed, tenant_id = None, caller.tenant_id(tx)
    if reason is not None:
        [raw] = await tx.vault.seal_many(tx, [Sealing(tenant_id, tenant_id, REASON_FIELD, reason)], now=now)
        sealed = raw.hex()
    made = CallMade(**caller.about(tenant_id), status=status, key_hash=_hash(key), sealed_reason=sealed)
    outbox.announce(tx, [made], now=now, request_id=request_id)


def tell_made_together(tx: Tx, made: Sequence[Made], *, status: int | None, now: datetime) -> None:
    """Announce that calls were made which this transaction carried out, none of which gave a reason.

    What is the same call but for its request is told of by one event, once for each.
    """
    told: dict[tuple[object, ...], CallMade] = {}
    events = []
    for caller, _, key in made:
        same = (id(caller.principal), caller.method, caller.route, caller.objects, caller.network, caller.agent, key)
        if same not in told:
            told[same] = CallMade(**caller.about(caller.tenant_id(tx)), status=status, key_hash=_hash(key))
        events.append(told[same])
    outbox.announce(tx, events, now=now, request_ids=[each.request_id for each in made])


def tell_read(tx: Tx, caller: Caller, *, status: int, now: datetime) -> None:
    """Announce that something sensitive was read."""
    outbox.announce(tx, [ReadMade(**caller.about(caller.tenant_id(tx)), status=status)], now=now)


def rider(caller: Caller, now_of: Callable[[Tx], Awaitable[datetime]], *, reason: str | None) -> Callable[[Tx], None]:
    """Make what rides along in the transactions of a route that opens its own: one that announces anything is a call.

    Its tenant is known when it commits, and may not have been when it began.
    """

    async def tell(tx: Tx) -> None:
        if tx.has_hooks and not tx.outbox:
            tx.before_commit("http.call", tell)  # another hook may still announce
        elif len(tx.tenants) == 1 and tx.outbox:
            await tell_made(tx, caller, status=None, key=None, reason=reason, now=await now_of(tx))

    def ride(tx: Tx) -> None:
        tx.before_commit("http.call", tell)

    return ride


def reason_of(headers: Headers) -> str | None:
    """Read why, as whoever calls says it.

    :raises BadReason: not URL-encoded UTF-8, too long, control characters, or given twice
    """
    given = headers.getlist(REASON_HEADER)
    if not given:
        return None
    if len(given) > 1 or len(given[0]) > 12 * REASON_MAX or not _REASON.fullmatch(given[0]):
        raise BadReason(field=REASON_HEADER)
    try:
        text = unquote(given[0], errors="strict").strip()
    except UnicodeDecodeError as error:
        raise BadReason(field=REASON_HEADER) from error
    if not text or len(text) > REASON_MAX or any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in text):
        raise BadReason(field=REASON_HEADER)
    return text


@lru_cache(SEEN_MAX)
def network_of(address: str) -> str:
    """Return the network an address is in (/24, or /48), which names no one person; empty where it is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False))


@lru_cache(SEEN_MAX)
def agent_of(user_agent: str) -> str:
    """Return the family of a program, out of a short list; whatever else it says of itself is not kept."""
    said = user_agent[:AGENT_MAX]
    return next((name for mark, name in _AGENTS if mark.lower() in said.lower()), "other" if said else "")


def _hash(key: str | None) -> str | None:
    return None if key is None else hashlib.sha256(key.encode()).hexdigest()[:32]


@dataclass(slots=True)
class Readings:
    """Sensitive readings of one process: the same by the same caller is one record an hour, however often it is polled."""

    monotonic: Callable[[], float]
    window_s: float = READ_ONCE_S
    _until_s: OrderedDict[tuple[object, ...], float] = field(default_factory=OrderedDict)

    def is_new(self, caller: Caller) -> bool:
        """Say whether no record of this hour tells of it."""
        return self._until_s.get(_same(caller), 0.0) <= self.monotonic()

    async def remember(self, caller: Caller) -> None:
        """Take note that a record of it was committed."""
        self._until_s.pop(_same(caller), None)
        self._until_s[_same(caller)] = self.monotonic() + self.window_s
        while len(self._until_s) > READS_MAX:
            self._until_s.popitem(last=False)


def _same(caller: Caller) -> tuple[object, ...]:
    who = caller.principal
    assert who is not None, caller.route
    return who.tenant_id, who.actor, caller.method, caller.route, caller.objects, caller.network


# Writes one record of a refusal, in a transaction of its own.
Write = Callable[[CallDenied], Awaitable[None]]


@dataclass(slots=True)
class _Window:
    ends_s: float
    written: int = 0
    held: int = 0


@dataclass(slots=True)
class Denials:
    """Refusals of one process: the first of a minute are records of their own, the rest of it are one that counts them.

    So whoever is refused a million times fills no disk. A process that is killed loses a minute's count, and no more.
    """

    monotonic: Callable[[], float]
    per_minute: int = DENIALS_PER_MINUTE
    window_s: float = MINUTE_S
    _windows: OrderedDict[str, _Window] = field(default_factory=OrderedDict)
    _waiting: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _last: dict[str, tuple[Write, CallDenied]] = field(default_factory=dict)

    async def tell(self, caller: Caller, write: Write, *, code: str) -> None:
        """Write a refusal down, or count it."""
        assert caller.principal is not None
        who = f"{caller.principal.tenant_id}:{caller.principal.actor}"
        denied = CallDenied(**caller.about(caller.principal.tenant_id), code=code)
        window = self._window(who)
        if window.written < self.per_minute:
            window.written += 1
            await self._write(write, denied)
            return
        window.held += 1
        self._last[who] = (write, denied)
        if who not in self._waiting:
            self._waiting[who] = asyncio.create_task(self._settle_later(who, window.ends_s))

    async def settle(self) -> None:
        """Write down what was counted, now: the process ends, or a test asks."""
        for task in list(self._waiting.values()):
            task.cancel()
        for who in list(self._last):
            await self._settle(who)

    def _window(self, who: str) -> _Window:
        now = self.monotonic()
        window = self._windows.pop(who, None)
        if window is None or (now >= window.ends_s and not window.held):
            window = _Window(now + self.window_s)
        self._windows[who] = window
        if len(self._windows) > DENIED_MAX:
            oldest = next(iter(self._windows))
            if oldest not in self._last:
                del self._windows[oldest]
        return window

    async def _settle_later(self, who: str, ends_s: float) -> None:
        await asyncio.sleep(max(0.0, ends_s - self.monotonic()))
        await self._settle(who)

    async def _settle(self, who: str) -> None:
        self._waiting.pop(who, None)
        window, found = self._windows.pop(who, None), self._last.pop(who, None)
        if window is None or found is None:
            return
        write, denied = found
        # Of the last one what is the same of all; what each asked for is not known any more.
        await self._write(write, _of_many(denied, window.held))

    async def _write(self, write: Write, denied: CallDenied) -> None:
        try:
            await write(denied)
        except Exception:
            # Whoever is refused is told so, whether or not it can be written down.
            log.exception("denial_not_recorded", route=denied.route, times=denied.times)


def _of_many(denied: CallDenied, times: int) -> CallDenied:
    return CallDenied(
        tenant_id=denied.tenant_id,
        method="*",
        route="*",
        objects=(),
        caller=denied.caller,
        role=denied.role,
        customer_id=denied.customer_id,
        network=denied.network,
        agent=denied.agent,
        code=denied.code,
        times=times,
    )
