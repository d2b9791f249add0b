"""Ahead of FastAPI: the few routes that are asked all the time, served by plain calls.

What stands around a handler (finding it, dependencies, exit stacks, two middlewares, a transaction of its own) costs several
times what such a route does. A route that names a `Gathered` or a `Looked` is served from here, where a request is as plain
as most are: an API key that was let in within the last second, usual headers and no other, no query, JSON of a known length.
So is a route that is `direct`: a webhook, whose sender is nobody whom we know, and says so by a signature.

    may they (the access table's own guard) -> is there room -> how often -> the body -> what is done, with others that wait
    -> the position, the headers, the line, the metrics: each by the same code as everybody's, in the same order

Nothing is refused here. Whatever is not plain, or is not let in, goes the whole way untouched, as if there were no other;
what fails on the way is handed over with what became of it (`Handed`), and said there. So there is one place that says no,
and the handler stays what the document describes. `tests/http/test_ahead.py` holds both ways together. What is written
together and has a head that was read before takes a shorter way to the same group (`again`), past the same questions.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guilder.kernel.errors import Refusal
from guilder.platform import tracing
from guilder.platform.http import parsing, placing
from guilder.platform.http.again import Again
from guilder.platform.http.asking import Asking, stranger_of
from guilder.platform.http.at_hand import Observe, own_head
from guilder.platform.http.calls import CHANGING, Caller
from guilder.platform.http.edge import Edge, visit_of
from guilder.platform.http.exchange import AtHandAuthenticator, Exchange, client_ip_of
from guilder.platform.http.finding import Finder
from guilder.platform.http.handed import KEY, Handed
from guilder.platform.http.hot import Callers, Hot, Known, hot_of, tell
from guilder.platform.http.incoming import PATH_PART_MAX, EdgeRequest, may_be_kept
from guilder.platform.http.limits import Taken
from guilder.platform.http.whole import Whole, whole

# Of so many paths it is remembered where they lead.
PATHS_MAX = 4_096
# What has a header that a visit would tell of is not served from here (`stranger_of`).
NOTHING_SAID = Headers(raw=[])


@dataclass(frozen=True, slots=True)
class _Asked:
    hot: Hot
    known: Known
    path: Mapping[str, str]
    asking: Asking


class _Body:
    """A body that may have to be read once more, by another."""

    def __init__(self, receive: Receive, whole: Whole | None) -> None:
        self._receive = receive
        self._whole = whole
        self._said: list[Message] = []

    async def read(self, *, timeout_s: float) -> bytes:
        """:raises HTTPException: it does not come, or nobody is left who sends it"""
        if self._whole is not None and (body := self._whole.body()) is not None:
            return body
        try:
            async with asyncio.timeout(timeout_s):
                while not self._said or self._said[-1].get("more_body"):
                    self._said.append(await self._receive())
        except TimeoutError as error:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from error
        if self._said[-1]["type"] != "http.request":
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        return b"".join([each.get("body", b"") for each in self._said])

    async def again(self) -> Message:
        return self._said.pop(0) if self._said else await self._receive()


class Ahead:
    def __init__(
        self,
        app: ASGIApp,
        edge: Edge,
        finder: Finder,
        authenticate: AtHandAuthenticator,
        *,
        observe: Observe | None,
    ) -> None:
        self._app = app
        self._edge = edge
        self._finder = finder
        self._authenticate = authenticate
        self._observe = observe
        # By identity: a route is no key of its own, and lives as long as the application.
        self._hot = {id(each): hot for each in finder.routes if (hot := hot_of(edge, each)) is not None}
        self._kinds = {(each.method, each.route.count("/")) for each in self._hot.values()}
        self._callers = Callers(edge)
        self._led: OrderedDict[tuple[str, str], tuple[Hot, Mapping[str, str]]] = OrderedDict()
        self.again = Again(edge, self._callers, authenticate, observe=observe)

    async def served(self, scope: Scope, asking: Asking | None, receive: Receive, send: Send) -> Receive | None:
        """Answer a request; or return from where the application is to receive it."""
        if (asked := self._find(scope, asking)) is None:
            return receive
        edge, known, lane = self._edge, asked.known, asked.hot.lane
        began_s = edge.clock.monotonic()
        taken = await edge.limiter.take(known.home, known.wants) if known.wants else None
        if taken is not None and not taken.is_allowed:
            return receive  # nothing was taken, and the edge says so as it says it to all
        body, exchange = _Body(receive, whole(scope)), _exchange(edge, scope, asked, began_s)
        answer = error = None
        edge.draining.enter()
        try:
            if edge.load.begin(lane, known.who):
                try:
                    answer, error = await self._tried(asked, exchange, body, scope)
                finally:
                    edge.load.end(lane, known.who)
            if answer is not None:
                await self._say(asked, exchange, taken, answer, scope, send)
                return None
        finally:
            edge.draining.leave()
        scope[KEY] = Handed(taken, error)
        return body.again

    async def _tried(
        self, asked: _Asked, exchange: Exchange, body: _Body, scope: Scope
    ) -> tuple[bytes | None, Exception | None]:
        try:
            async with asyncio.timeout(self._edge.settings.request_timeout_s):
                return await self._done(asked, exchange, body, scope), None
        except Exception as error:  # noqa: BLE001  (whoever asked is told, by the one who tells all)
            return None, error

    async def _done(self, asked: _Asked, exchange: Exchange, body: _Body, scope: Scope) -> bytes | None:
        edge, rules, who = self._edge, asked.hot.guard.rules, asked.known.principal
        if rules.looked is not None:
            question = rules.looked.question(asked.path)
            if question is None:
                return None
            assert who is not None, asked.hot
            return await edge.gatherings.look(rules.looked, question, who=who, request_id=exchange.request_id)
        sent = await body.read(timeout_s=edge.settings.body_timeout_s)
        caller = Caller.of(exchange, method=asked.hot.method, path=asked.path, headers=Headers(scope=scope))
        answer = await (
            edge.gatherings.write(rules.gathered, scope, sent, caller, exchange, given=_keys_of(asked.asking))
            if rules.gathered is not None
            else self._handled(asked, sent, exchange, caller, scope)
        )
        if answer is not None and edge.replica is not None and asked.hot.method in CHANGING:
            await placing.wrote(edge.replica, exchange)
        return answer

    async def _handled(self, asked: _Asked, sent: bytes, exchange: Exchange, caller: Caller, scope: Scope) -> bytes:
        """Ask the handler itself, as FastAPI would have asked it."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        scope["app"] = self._app
        request = EdgeRequest(scope)
        request.keep(sent)
        visit = visit_of(self._edge, exchange, caller, NOTHING_SAID, reason=None)
        answer = await asked.hot.handler(visit=visit, request=request, **asked.path)
        return answer.model_dump_json().encode()

    async def _say(
        self, asked: _Asked, exchange: Exchange, taken: Taken | None, body: bytes, scope: Scope, send: Send
    ) -> None:
        hot, edge = asked.hot, self._edge
        head = [*hot.head, *own_head(exchange.request_id, taken), (b"content-length", b"%d" % len(body))]
        head += [(name.lower().encode(), said.encode()) for name, said in exchange.headers.items()]
        if (at_one_go := whole(scope)) is None or not at_one_go.answer(hot.status, head, body):
            await send({"type": "http.response.start", "status": hot.status, "headers": head})
            await send({"type": "http.response.body", "body": body})
        elif hot.guard.rules.gathered is not None:
            self.again.remember(at_one_go.said(), scope, hot, asked.asking, asked.path)
        tell(hot, asked.known, exchange.request_id, edge.clock.monotonic() - exchange.started_s, self._observe)

    def _find(self, scope: Scope, asking: Asking | None) -> _Asked | None:
        """Return what is asked, and by whom; None: it is not plain, or not let in."""
        if scope["query_string"] or scope.get("root_path"):
            return None
        if (led := self._leads(scope["method"], scope["path"])) is None:
            return None
        hot, words = led
        if hot.stranger is not None:
            asking = stranger_of(scope)
        if asking is None or asking.length > hot.guard.rules.body_max or tracing.is_on():
            return None
        if not all(may_be_kept(each) for each in _keys_of(asking)):
            return None
        known = hot.stranger or self._callers.of(hot, self._authenticate.at_hand(asking.authorization))
        return _Asked(hot, known, words, asking) if known is not None else None

    def _leads(self, method: str, path: str) -> tuple[Hot, Mapping[str, str]] | None:
        """Return the route that is meant, and the words of the path; None: it is not served ahead, or a word is not plain."""
        if (method, path.count("/")) not in self._kinds:
            return None
        if (led := self._led.get((method, path))) is not None:
            return led
        for route in self._finder.candidates(method, path):
            if (match := route.path_regex.match(path)) is not None:
                hot, words = self._hot.get(id(route)), match.groupdict()
                if hot is None or not _are_plain(words):
                    return None
                self._led[method, path] = hot, words
                if len(self._led) > PATHS_MAX:
                    self._led.popitem(last=False)
                return hot, words
        return None


def _exchange(edge: Edge, scope: Scope, asked: _Asked, began_s: float) -> Exchange:
    peer = scope["client"][0] if scope.get("client") else ""
    trusted = edge.settings.trusted_proxies
    return Exchange(
        request_id=asked.asking.request_id,
        client_ip=client_ip_of(peer, Headers(scope=scope), trusted) if trusted else peer,
        started_s=began_s,
        route=asked.hot.route,
        principal=asked.known.principal,
    )


def _are_plain(words: Mapping[str, str]) -> bool:
    try:
        for name, value in words.items():
            parsing.check_text(value, name)
    except Refusal:
        return False
    return all(len(each) <= PATH_PART_MAX for each in words.values())


def _keys_of(asking: Asking) -> Sequence[str]:
    return [] if asking.key is None else [asking.key.decode("latin-1")]
