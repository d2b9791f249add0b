"""Word for word: requests whose head was read before, and of which only the body is another.

Who sends one reading after another sends the same head each time. The connection gives such a request away before it reads
it (`gather`): who asks is looked up by the key that stands in it, as ever, and so are room, limits, body, line and metrics
asked as ever, in the order in which `ahead` asks them. What differs is that nobody waits: the request is told what became
of it by the group that it was written with, so that it needs no task, no scope and no messages.

Nothing is refused here, either. What is not to be had is read as ever; what was begun and came to nothing is read then, and
told of by the application (`Handed`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.types import Scope

from guilder.kernel.errors import Refusal
from guilder.kernel.noun import replace
from guilder.platform import tracing
from guilder.platform.http.asking import Asking, made_id
from guilder.platform.http.at_hand import Observe, own_head
from guilder.platform.http.calls import Caller
from guilder.platform.http.edge import Edge
from guilder.platform.http.errors import from_database
from guilder.platform.http.exchange import AtHandAuthenticator, Exchange, client_ip_of
from guilder.platform.http.gathering import Gathered
from guilder.platform.http.handed import Handed
from guilder.platform.http.heads import Heads, place_of
from guilder.platform.http.hot import Callers, Hot, Known, line_of, tell
from guilder.platform.http.limits import InProcess, Taken
from guilder.platform.http.whole import Waits, lines_of

# Of a sender one for each length that its bodies have.
HEADS_MAX = 4_096
# What an answer says of a request that names itself is another each time: hardly anybody does so twice.
NAMED = b"x-request-id"
HEAD_END = b"\r\n\r\n"

log = structlog.get_logger("guilder.http")


@dataclass(slots=True)
class _Said:
    """What a head says; `asked` is what the last request with it was, by whom and from where."""

    hot: Hot
    gathered: Gathered
    words: Mapping[str, str]
    headers: Headers
    authorization: slice
    length: int
    asked: tuple[Known, str, Caller] | None = None

    def caller(self, edge: Edge, known: Known, peer: str) -> Caller:
        """Return who calls, from where: for the record of the call."""
        if self.asked is not None and self.asked[0] is known and self.asked[1] == peer:
            return self.asked[2]
        trusted = edge.settings.trusted_proxies
        address = client_ip_of(peer, self.headers, trusted) if trusted else peer
        exchange = Exchange("", address, 0.0, route=self.hot.route, principal=known.principal)
        caller = Caller.of(exchange, method=self.hot.method, path=self.words, headers=self.headers)
        self.asked = known, peer, caller
        return caller


class Again:
    """Requests of the routes that are written together, by their heads."""

    def __init__(
        self, edge: Edge, callers: Callers, authenticate: AtHandAuthenticator, *, observe: Observe | None
    ) -> None:
        self._edge = edge
        self._callers = callers
        self._authenticate = authenticate
        self._observe = observe
        self._heads: Heads[_Said] = Heads(HEADS_MAX)

    def remember(self, said: bytes | None, scope: Scope, hot: Hot, asking: Asking, words: Mapping[str, str]) -> None:
        """Remember the head of a request that was just answered ahead; `said` is what came with it (`Whole.said`).

        Not where an answer says more than the group knows: of its own name, its key, or how far the database has come.
        """
        gathered = hot.guard.rules.gathered
        if said is None or gathered is None or asking.key is not None or self._edge.replica is not None:
            return
        head = said[: said.find(HEAD_END) + len(HEAD_END)]
        authorization = place_of(head, asking.authorization)
        is_alone = len(said) - len(head) in (0, asking.length)
        if authorization is None or not is_alone or head.count(asking.authorization.rpartition(b" ")[2]) != 1:
            return
        kept = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        if any(name == NAMED for name, _ in kept):
            return
        about = _Said(hot, gathered, words, Headers(raw=kept), authorization, asking.length)
        self._heads.keep(head, about)

    def has_read(self, head: bytes) -> bool:
        """Say whether a head is word for word one that was remembered."""
        return self._heads.find(head) is not None

    def gather(self, head: bytes, body: bytes, peer: str, waits: Waits) -> bool:
        """Have a request done that is word for word one that was remembered, but for its body; `waits` is told.

        `peer` is the address that it comes from. False: nothing was done, it is to be read.
        """
        said = self._heads.find(head)
        limiter, edge = self._edge.limiter, self._edge
        if said is None or len(body) != said.length or not isinstance(limiter, InProcess) or tracing.is_on():
            return False
        known = self._callers.of(said.hot, self._authenticate.at_hand(head[said.authorization]))
        if known is None:
            return False
        began_s = edge.clock.monotonic()
        taken = limiter.take_now(known.home, known.wants)
        if not taken.is_allowed:
            return False  # nothing was taken, and the edge says so as it says it to all
        _Sent(edge, said, known, taken, began_s, waits, self._observe).begin(body, peer)
        return True


class _Sent:
    """One request, from when it is counted until it is answered, or read as ever. Told by its group (`Told`), or by time."""

    __slots__ = (
        "_began_s",
        "_edge",
        "_has_room",
        "_is_done",
        "_known",
        "_observe",
        "_patience",
        "_request_id",
        "_said",
        "_taken",
        "_waits",
    )

    def __init__(
        self,
        edge: Edge,
        said: _Said,
        known: Known,
        taken: Taken,
        began_s: float,
        waits: Waits,
        observe: Observe | None,
    ) -> None:
        self._edge, self._said, self._known, self._taken = edge, said, known, taken
        self._began_s, self._waits, self._observe = began_s, waits, observe
        self._request_id = made_id()
        self._patience: asyncio.TimerHandle | None = None
        self._has_room = self._is_done = False

    def begin(self, body: bytes, peer: str) -> None:
        edge, said = self._edge, self._said
        edge.draining.enter()
        self._has_room = edge.load.begin(said.hot.lane, self._known.who)
        try:
            read = said.gathered.read(body) if self._has_room else None
            if read is not None:
                timeout_s = edge.settings.request_timeout_s
                self._patience = asyncio.get_running_loop().call_later(timeout_s, self._give_up)
                caller = said.caller(edge, self._known, peer)
                edge.gatherings.put(said.gathered, read, caller, self, request_id=self._request_id)
        except Exception as error:  # noqa: BLE001  (whoever asked is told, by the one who tells all)
            self._hand_over(error)
        else:
            if read is None:
                self._hand_over(None)

    def done(self) -> bool:
        return self._is_done

    def set_result(self, answer: bytes | None, /) -> None:
        if answer is None:
            self._hand_over(None)
            return
        self._end()
        hot, edge = self._said.hot, self._edge
        own = own_head(self._request_id, self._taken)
        try:
            lines = hot.lines + lines_of((*own, (b"content-length", b"%d" % len(answer))))
            self._waits.answer(hot.status, lines, answer)
            tell(hot, self._known, self._request_id, edge.clock.monotonic() - self._began_s, self._observe)
        except Exception:
            # It was written; the others of its group are still to be told so.
            log.exception("answer_not_written", route=hot.route)

    def set_exception(self, error: Exception, /) -> None:
        self._hand_over(error)

    def cancel(self) -> None:
        self._hand_over(ConnectionError("its group was given up"))

    def _give_up(self) -> None:
        self._hand_over(TimeoutError())

    def _end(self) -> None:
        """Count it no more."""
        self._is_done = True
        if self._patience is not None:
            self._patience.cancel()
        if self._has_room:
            self._edge.load.end(self._said.hot.lane, self._known.who)
        self._edge.draining.leave()

    def _hand_over(self, error: Exception | None) -> None:
        self._end()
        hot = self._said.hot
        try:
            is_read = self._waits.read_as_ever(Handed(self._taken, error))
        except Exception:
            log.exception("answer_not_written", route=hot.route)
            return
        if not is_read:
            self._tell_of_nobody(error)

    def _tell_of_nobody(self, error: Exception | None) -> None:
        """Write down, as the edge does, that nobody was left to be told; our own mistakes whole."""
        hot, who = self._said.hot, self._known.principal
        assert who is not None, hot.route
        if error is not None and not isinstance(error, Refusal) and from_database(error) is None:
            log.error("request_failed", route=hot.route, exc_info=error)
        status = HTTPStatus.BAD_REQUEST.value
        known = replace(self._known, line=line_of(hot.method, hot.route, status, who.actor, self._known.home))
        seconds = self._edge.clock.monotonic() - self._began_s
        tell(replace(hot, status=status), known, self._request_id, seconds, self._observe)
