"""Answers that this process has at hand: a question that was asked a moment ago, by the same API key, word for word.

It is answered before the application is asked, so nothing of a request may matter that is not looked at here: what has
any header beside the usual ones, a body, or anything else that is new goes the whole way. Limits are taken from as ever.
What was answered is old when its subject changes or its seconds are over (`cache.near`), and a key that was revoked is at
nobody's hand any more (`Authenticator.at_hand`). It is never needed: without it the same is answered, later.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from secrets import token_hex
from typing import NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope, Send

from guilder.platform import metrics, tracing
from guilder.platform.auth.principal import Kind, Principal
from guilder.platform.cache.near import Mark, Near
from guilder.platform.clock import Clock
from guilder.platform.http.exchange import AtHandAuthenticator, request_id_of
from guilder.platform.http.limits import RateLimiter, Want
from guilder.platform.http.rules import Kept
from guilder.platform.logging import Line

LOGGER = "guilder.http"
SANDBOX = "sandbox"
BODY_MAX_BYTES = 16_384
READ_MAX_S = 1.0
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
# Headers of an answer that are another request's.
OWN = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

Head = Sequence[tuple[bytes, bytes]]
_Question = tuple[str, str, bytes]


class Observe(Protocol):
    def __call__(self, *, method: str, route: str, status: int, seconds: float) -> None: ...


class Asking(NamedTuple):
    """A request as far as it is looked at here: the one header that says who asks, and its id."""

    authorization: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer that is about to be read may be kept, and from when it counts."""

    question: _Question
    principal: Principal
    room: str
    mark: Mark
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer at hand: its head but for what is each request's own, and its body."""

    place: Place
    route: str
    wants: Sequence[Want]
    home: str
    head: Head
    body: bytes
    line: Line


class AtHand:
    """Bounded by `size_max` answers of `BODY_MAX_BYTES`; the least lately kept is forgotten first."""

    def __init__(
        self,
        near: Near,
        authenticate: AtHandAuthenticator,
        limiter: RateLimiter,
        clock: Clock,
        *,
        size_max: int,
        observe: Observe | None = None,
    ) -> None:
        self._observe = observe
        self._near = near
        self._authenticate = authenticate
        self._limiter = limiter
        self._clock = clock
        self._size_max = size_max
        self._ready: OrderedDict[_Question, Ready] = OrderedDict()

    async def answered(self, scope: Scope, send: Send) -> bool:
        """Answer a request if its answer is at hand; False: it is to go the whole way."""
        began_s = self._clock.monotonic()
        if (found := self._find(scope)) is None:
            return False
        ready, asking = found
        taken = await self._limiter.take(ready.home, ready.wants)
        if not taken.is_allowed:
            return False  # nothing was taken, and the edge says so as it says it to all
        request_id = asking.request_id
        own = [
            (b"x-request-id", request_id.encode()),
            (b"ratelimit-limit", b"%d" % taken.limit),
            (b"ratelimit-remaining", b"%d" % taken.left),
            (b"ratelimit-reset", b"%d" % taken.reset_s),
        ]
        await send({"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": [*ready.head, *own]})
        await send({"type": "http.response.body", "body": ready.body})
        seconds = self._clock.monotonic() - began_s
        ready.line.say(request_id=request_id, milliseconds=round(seconds * 1000, 1))
        metrics.cache_read(room=ready.place.room, outcome="near")
        if self._observe is not None:
            self._observe(method="GET", route=ready.route, status=HTTPStatus.OK.value, seconds=seconds)
        return True

    def _find(self, scope: Scope) -> tuple[Ready, Asking] | None:
        asking = _asking(scope)
        if asking is None or tracing.is_on():
            return None
        principal = self._authenticate.at_hand(asking.authorization)
        if principal is None:
            return None
        question = (principal.subject, scope["path"], scope["query_string"])
        ready = self._ready.get(question)
        if ready is None:
            return None
        place = ready.place
        if place.mark.is_old or self._clock.monotonic() >= place.until_s or place.principal != principal:
            del self._ready[question]
            return None
        return ready, asking

    def place(self, scope: Scope, principal: Principal, kept: Kept, path: Mapping[str, str]) -> Place | None:
        """Say where what is about to be read may be kept; None: nowhere. To be asked before it is read."""
        if principal.kind is not Kind.API_KEY or principal.mode == SANDBOX or _asking(scope) is None:
            return None
        mark = self._near.mark(principal.tenant_id, kept.subject(path))
        if mark is None:
            return None
        since_s = self._clock.monotonic()
        question = (principal.subject, scope["path"], scope["query_string"])
        return Place(question, principal, kept.room, mark, since_s, since_s + kept.seconds)

    def keep(self, place: Place, answer: Response, *, route: str, wants: Sequence[Want], head: Head) -> None:
        """Keep an answer that was read after its place was asked for; what took long to read is too old for that.

        `head` is all of its headers but those that are another request's.
        """
        body = bytes(answer.body)
        if answer.status_code != HTTPStatus.OK or len(body) > BODY_MAX_BYTES or place.mark.is_old:
            return
        if self._clock.monotonic() - place.since_s > READ_MAX_S:
            return
        home = str(place.principal.tenant_id)
        line = Line(
            LOGGER,
            "request",
            method="GET",
            route=route,
            status=HTTPStatus.OK.value,
            actor=place.principal.actor,
            tenant_id=home,
        )
        self._ready[place.question] = Ready(place, route, tuple(wants), home, tuple(head), body, line)
        self._ready.move_to_end(place.question)
        while len(self._ready) > self._size_max:
            self._ready.popitem(last=False)


def _asking(scope: Scope) -> Asking | None:
    """Read a request's head; None where it says anything that an answer at hand was not made for."""
    if scope["method"] != "GET":
        return None
    authorization = given = None
    for name, value in scope["headers"]:
        if name not in USUAL:
            return None
        if name == b"authorization":
            if authorization is not None:
                return None
            authorization = value
        elif name == b"x-request-id":
            given = value
    if authorization is None:
        return None
    made = f"req_{token_hex(12)}"
    return Asking(authorization, made if given is None else request_id_of(Headers(scope=scope), made))
