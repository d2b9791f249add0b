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
from typing import NamedTuple, Protocol

from starlette.responses import Response
from starlette.types import Scope, Send

from guilder.platform import metrics, tracing
from guilder.platform.auth.principal import Kind, Principal
from guilder.platform.cache.near import Mark, Near
from guilder.platform.clock import Clock
from guilder.platform.http.asking import Asking, asking_of, made_id
from guilder.platform.http.exchange import AtHandAuthenticator
from guilder.platform.http.heads import Heads, place_of
from guilder.platform.http.limits import InProcess, RateLimiter, Taken, Want
from guilder.platform.http.rules import Kept
from guilder.platform.logging import Line

LOGGER = "guilder.http"
BODY_MAX_BYTES = 16_384
READ_MAX_S = 1.0
# Headers of an answer that are another request's.
OWN = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

Head = Sequence[tuple[bytes, bytes]]
_Question = tuple[str, str, bytes]


class Observe(Protocol):
    def __call__(self, *, method: str, route: str, status: int, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer that is about to be read may be kept, and from when it counts."""

    question: _Question
    principal: Principal
    room: str
    mark: Mark
    since_s: float
    until_s: float


class _Said(NamedTuple):
    """What a head said that was read once, and where in it: a key is in nobody's memory, but in the request itself."""

    path: str
    query: bytes
    authorization: slice
    request_id: slice | None


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


def own_head(request_id: str, taken: Taken | None) -> Head:
    """Return the headers of an answer that are no other request's (`OWN`)."""
    if taken is None:
        return ((b"x-request-id", request_id.encode()),)
    return (
        (b"x-request-id", request_id.encode()),
        (b"ratelimit-limit", b"%d" % taken.limit),
        (b"ratelimit-remaining", b"%d" % taken.left),
        (b"ratelimit-reset", b"%d" % taken.reset_s),
    )


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
        self.authenticate = authenticate
        self._limiter = limiter
        self._clock = clock
        self._size_max = size_max
        self._ready: OrderedDict[_Question, Ready] = OrderedDict()
        self._said: Heads[_Said] = Heads(size_max)

    async def answered(self, scope: Scope, asking: Asking, send: Send) -> bool:
        """Answer a request if its answer is at hand; False: it is to go the whole way."""
        if scope["method"] != "GET":
            return False
        began_s = self._clock.monotonic()
        if (ready := self._find(asking.authorization, scope["path"], scope["query_string"])) is None:
            return False
        taken = await self._limiter.take(ready.home, ready.wants)
        if not taken.is_allowed:
            return False  # nothing was taken, and the edge says so as it says it to all
        own = own_head(asking.request_id, taken)
        await send({"type": "http.response.start", "status": HTTPStatus.OK.value, "headers": [*ready.head, *own]})
        await send({"type": "http.response.body", "body": ready.body})
        self._tell(ready, asking.request_id, began_s)
        return True

    def at_once(self, scope: Scope) -> tuple[Head, bytes] | None:
        """Return head and body of an answer as `answered` would give it, without waiting for anything; None: ask that.

        For whoever has a request and no task yet. Limits that processes share have to be waited for.
        """
        if scope["method"] != "GET" or not self._ready or (asking := asking_of(scope)) is None:
            return None
        return self._now(asking.authorization, scope["path"], scope["query_string"], asking.request_id)

    def at_once_again(self, head: bytes) -> tuple[Head, bytes] | None:
        """Answer a head as `at_once` would, which is word for word one that was remembered; None: read it."""
        if (said := self._said.find(head)) is None:
            return None
        request_id = made_id() if said.request_id is None else head[said.request_id].decode("latin-1")
        return self._now(head[said.authorization], said.path, said.query, request_id)

    def remember(self, head: bytes, scope: Scope) -> None:
        """Remember what a head says that was just answered at once: whoever asks so again need not be read again.

        `head` is the whole request, byte for byte; nothing of it is kept but what it asks for.
        """
        asking = asking_of(scope)
        if asking is None:
            return
        authorization = place_of(head, asking.authorization)
        named = any(name == b"x-request-id" for name, _ in scope["headers"])
        request_id = place_of(head, asking.request_id.encode("latin-1")) if named else None
        if authorization is None or (named and request_id is None):
            return
        self._said.keep(head, _Said(scope["path"], scope["query_string"], authorization, request_id))

    def _now(self, authorization: bytes, path: str, query: bytes, request_id: str) -> tuple[Head, bytes] | None:
        if not isinstance(self._limiter, InProcess):
            return None
        began_s = self._clock.monotonic()
        if (ready := self._find(authorization, path, query)) is None:
            return None
        taken = self._limiter.take_now(ready.home, ready.wants)
        if not taken.is_allowed:
            return None
        self._tell(ready, request_id, began_s)
        return (*ready.head, *own_head(request_id, taken)), ready.body

    def _tell(self, ready: Ready, request_id: str, began_s: float) -> None:
        seconds = self._clock.monotonic() - began_s
        ready.line.say(request_id=request_id, milliseconds=round(seconds * 1000, 1))
        metrics.cache_read(room=ready.place.room, outcome="near")
        if self._observe is not None:
            self._observe(method="GET", route=ready.route, status=HTTPStatus.OK.value, seconds=seconds)

    def _find(self, authorization: bytes, path: str, query: bytes) -> Ready | None:
        if not self._ready or tracing.is_on():
            return None
        principal = self.authenticate.at_hand(authorization)
        if principal is None:
            return None
        question = (principal.subject, path, query)
        ready = self._ready.get(question)
        if ready is None:
            return None
        place = ready.place
        if place.mark.is_old or self._clock.monotonic() >= place.until_s or place.principal != principal:
            del self._ready[question]
            return None
        return ready

    def place(self, scope: Scope, principal: Principal, kept: Kept, path: Mapping[str, str]) -> Place | None:
        """Say where what is about to be read may be kept; None: nowhere. To be asked before it is read."""
        if principal.kind is not Kind.API_KEY or principal.is_in_sandbox or asking_of(scope) is None:
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
