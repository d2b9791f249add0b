"""One request, one transaction, committed here.

Size -> who asks -> may they -> how often -> the body -> the key -> a transaction with tenant, actor and the tenant's
present -> the handler -> its answer stored under the key -> commit -> the answer sent -> what should follow.

It is a route class and not a dependency with `yield`: what stands after such a `yield` may run when the answer has
been sent, and an answer sent before its commit can be a lie.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

import structlog
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.responses import Response

from guilder.kernel.errors import Forbidden, Refusal, Unauthenticated
from guilder.platform import tracing
from guilder.platform.auth.permission import allow
from guilder.platform.auth.principal import Principal
from guilder.platform.bus import outbox
from guilder.platform.cache.answers import Answers
from guilder.platform.clock import Clock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.clocks import TenantClocks, now_of
from guilder.platform.db.database import Database, riding
from guilder.platform.db.replica import Replica
from guilder.platform.db.tx import Tx
from guilder.platform.http import calls, gathering, idempotency, incoming, keeping, placing, retries
from guilder.platform.http.at_hand import AtHand
from guilder.platform.http.errors import from_database
from guilder.platform.http.exchange import Authenticator, Exchange, RequestHead, traceparent_of, wait_of
from guilder.platform.http.guarding import Guard, Guards
from guilder.platform.http.handed import handed
from guilder.platform.http.limits import RateLimiter, Want, enough, sender_of
from guilder.platform.http.paging import Sealer, current_sealer
from guilder.platform.http.rules import Rules
from guilder.platform.http.session import Look, RequestSession, Visit, followed
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shedding import Load
from guilder.platform.http.shield import Draining, exchange_of
from guilder.platform.http.taken import Parameters

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
LOOK_EVERY_S = 0.1

log = structlog.get_logger("guilder.http")


@dataclass(frozen=True, slots=True)
class Edge:
    """What every route is served with."""

    database: Database
    clocks: TenantClocks
    authenticate: Authenticator
    limiter: RateLimiter
    clock: Clock
    keys: KeyRing
    settings: HttpSettings
    guards: Guards
    denials: calls.Denials
    readings: calls.Readings
    load: Load
    draining: Draining
    gatherings: gathering.Gatherings
    answers: Answers | None = None
    replica: Replica | None = None
    at_hand: AtHand | None = None


@dataclass(slots=True)
class _Asked:
    """One request, as far as the edge has come with it."""

    edge: Edge
    guard: Guard
    request: incoming.EdgeRequest
    exchange: Exchange
    inner: Handler
    version: str
    key: idempotency.Key | None = None
    reason: str | None = None
    wants: Sequence[Want] = ()

    @property
    def principal(self) -> Principal:
        assert self.exchange.principal is not None
        return self.exchange.principal

    @property
    def caller(self) -> calls.Caller:
        request = self.request
        return calls.Caller.of(self.exchange, method=request.method, path=request.path_params, headers=request.headers)


class EdgeRoute(APIRoute):
    rules: ClassVar[Rules]

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()
        parameters = Parameters.of(self)

        async def serve(request: Request) -> Response:
            edge: Edge = request.app.state.edge
            exchange = exchange_of(request.scope)
            exchange.route = request.scope["route"].path_format
            asked = _Asked(
                edge=edge,
                guard=edge.guards.of(request.method, self.path_format),
                request=incoming.EdgeRequest(request.scope, request.receive),
                exchange=exchange,
                inner=inner,
                version=edge.settings.versions[-1],
            )
            try:
                async with asyncio.timeout(edge.settings.request_timeout_s):
                    return await _traced(asked, parameters)
            except Forbidden as error:
                if exchange.principal is not None:
                    await _tell_denied(asked, error)
                raise
            except Refusal:
                raise
            except Exception as error:
                refusal = from_database(error)
                if refusal is None:
                    raise
                log.warning("database_refused", error=type(error).__name__, route=exchange.route)
                raise refusal from error

        return serve


async def _traced(asked: _Asked, parameters: Parameters) -> Response:
    """Serve it as a part of the caller's trace; what asks how this process is would drown all others."""
    if not (asked.guard.rules.cost or asked.guard.rules.raw_body):
        return await _serve(asked, parameters)
    name = f"{asked.request.method} {asked.exchange.route}"
    caller = [traceparent_of(asked.request.headers)]
    with tracing.taken_up(name, caller, request_id=asked.exchange.request_id):
        answer = await _serve(asked, parameters)
        tracing.noted(status=answer.status_code)
        return answer


async def _serve(asked: _Asked, parameters: Parameters) -> Response:
    request, rules = asked.request, asked.guard.rules
    incoming.check_length(request, rules.body_max)
    incoming.check_headers(request)
    asked.version = incoming.version_of(request, asked.edge.settings.versions)
    asked.exchange.headers[incoming.VERSION_HEADER] = asked.version
    await _identify(asked)
    with asked.edge.load.share(asked.exchange.principal):
        return await _answer(asked, parameters)


async def _answer(asked: _Asked, parameters: Parameters) -> Response:
    request, rules = asked.request, asked.guard.rules
    if (begun := handed(request.scope)) is not None and begun.error is not None:
        raise begun.error
    incoming.check_query(
        request, known=None if asked.guard.takes_any_query else parameters.query, lists=parameters.query_lists
    )
    body = await incoming.read_body(request, body_max=rules.body_max, timeout_s=asked.edge.settings.body_timeout_s)
    if rules.gathered is not None and not asked.guard.withholds(asked.principal):
        together = await _together(asked, rules.gathered, body)
        if together is not None:
            return together
    if not rules.raw_body:
        incoming.read_json(request, body, is_expected=parameters.has_body)
    asked.guard.refuse(asked.exchange.principal, request.query_params, request.parsed)
    asked.reason = calls.reason_of(request.headers)
    request.scope["guilder.visit"] = visit_of(
        asked.edge, asked.exchange, asked.caller, request.headers, reason=asked.reason
    )
    if not asked.guard.has_session:
        return asked.guard.shown(asked.exchange.principal, await _visited(asked))
    asked.key = _key(asked, body)
    current_sealer.set(_sealer(asked))
    place = keeping.place(asked.edge.at_hand, asked.guard.rules.kept, request, asked.principal)
    answer, session = await _answered(asked)
    assert session is None or session.look is None or asked.guard.rules.waits, "the document does not say that it waits"
    if session is not None and session.look is not None and session.prefer_wait_s:
        answer = await _wait(asked, session.look, session.prefer_wait_s, answer)
    # Stored whole under its key, and shown to whoever asks again as far as they may see it by then.
    answer = asked.guard.shown(asked.principal, answer)
    if session is None:
        return answer
    keeping.keep_at_hand(asked.edge.at_hand, place, answer, exchange=asked.exchange, wants=asked.wants)
    return followed(answer, session.later)


async def _together(asked: _Asked, gathered: gathering.Gathered, body: bytes) -> Response | None:
    """Serve it with others that wait, if it is one of the plain ones; None: it goes its own way."""
    answer = await asked.edge.gatherings.serve(gathered, asked.request, body, asked.caller, asked.exchange)
    if answer is not None:
        await _mark(asked, answer)
    return answer


async def _identify(asked: _Asked) -> None:
    edge, exchange, settings = asked.edge, asked.exchange, asked.edge.settings
    if asked.guard.permission.is_public:
        if asked.guard.rules.cost:
            wanted = Want("address", settings.per_address, asked.guard.rules.cost)
            taken = await edge.limiter.take(sender_of(exchange.client_ip), [wanted])
            exchange.headers.update(taken.headers)
            enough(taken)
        return
    try:
        exchange.principal = await edge.authenticate.principal(_head(asked))
    except Unauthenticated:
        # Who guesses is slowed down by address; who is known is let in, though somebody guesses beside them.
        wanted = Want("failed-login", settings.per_failed_login)
        enough(await edge.limiter.take(sender_of(exchange.client_ip), [wanted]))
        raise
    cost = asked.guard.rules.cost
    asked.wants = Want(asked.principal.actor, settings.per_principal, cost), Want("tenant", settings.per_tenant, cost)
    begun = handed(asked.request.scope)
    taken = (begun.taken if begun else None) or await edge.limiter.take(str(asked.principal.tenant_id), asked.wants)
    exchange.headers.update(taken.headers)
    allow(asked.guard.permission, asked.principal, now=edge.clock.now(), step_up_s=settings.step_up_s)
    enough(taken)


def _head(asked: _Asked) -> RequestHead:
    request = asked.request
    if len(request.headers.getlist("authorization")) > 1:
        raise Unauthenticated
    return RequestHead(
        method=request.method,
        path=request.url.path,
        headers=request.headers,
        cookies=request.cookies,
        client_ip=asked.exchange.client_ip,
        steps_up=asked.guard.permission.steps_up,
    )


def visit_of(edge: Edge, exchange: Exchange, caller: calls.Caller, headers: Headers, *, reason: str | None) -> Visit:
    return Visit(
        database=edge.database,
        clocks=edge.clocks,
        now=edge.clock.now(),
        principal=exchange.principal,
        request_id=exchange.request_id,
        base_url=edge.settings.public_url,
        client_ip=exchange.client_ip,
        traceparent=traceparent_of(headers),
        gatherings=edge.gatherings,
        caller=caller,
        reason=reason,
        prefer_wait_s=wait_of(headers),
    )


def _key(asked: _Asked, body: bytes) -> idempotency.Key | None:
    request = asked.request
    given = request.headers.getlist(idempotency.HEADER)
    return idempotency.key_of(request.scope, given, asked.principal, body)


def _sealer(asked: _Asked) -> Sealer:
    principal, keys = asked.principal, asked.edge.keys
    about = f"{principal.tenant_id}\n{principal.customer_id}\n{asked.request.method}\n{asked.exchange.route}"
    return Sealer(lambda text: keys.blinds(text, about="cursor"), about)


async def _answered(asked: _Asked) -> tuple[Response, RequestSession | None]:
    replica = asked.edge.replica
    if replica is not None and asked.guard.rules.may_lag:
        found = await placing.read(replica, asked.exchange, asked.request.headers, partial(_within, asked))
        if found is not None:
            return found
    kept, answers = asked.guard.rules.kept, asked.edge.answers
    ask = partial(retries.again_on_clash, lambda: _transact(asked))
    if kept is not None and answers is not None and asked.key is None:
        return await keeping.answered(answers, kept, asked.request, asked.principal, asked.version, ask)
    answered = await ask()
    await _mark(asked, answered[0])
    return answered


async def _mark(asked: _Asked, answer: Response) -> None:
    if asked.edge.replica is not None and asked.request.method in calls.CHANGING and answer.status_code < 400:
        await placing.wrote(asked.edge.replica, asked.exchange)


async def _transact(asked: _Asked) -> tuple[Response, RequestSession | None]:
    """Do it all in one transaction. The session is None where nothing was done: a replay, a handler's own refusal."""
    try:
        async with asked.edge.database.transaction(
            [asked.principal.tenant_id],
            actor=asked.principal.actor,
            request_id=asked.exchange.request_id,
            traceparent=traceparent_of(asked.request.headers),
        ) as tx:
            return await _within(asked, tx)
    except placing.RolledBack as refused:
        return refused.answer, None


async def _within(asked: _Asked, tx: Tx) -> tuple[Response, RequestSession | None]:
    if asked.key is not None:
        replay = await idempotency.claim(tx, asked.key, asked.edge.keys)
        if replay is not None:
            return replay, None
    session = await _open_session(asked, tx)
    answer = await asked.inner(asked.request)
    if answer.status_code >= 400:
        raise placing.RolledBack(answer)
    await _tell(asked, session, answer)
    if asked.key is not None:
        await idempotency.remember(tx, asked.key, asked.edge.keys, answer)
    return answer, session


async def _visited(asked: _Asked) -> Response:
    if asked.request.method not in calls.CHANGING:
        return await asked.inner(asked.request)
    token = riding.set(calls.rider(asked.caller, partial(now_of, asked.edge.clocks), reason=asked.reason))
    try:
        answer = await asked.inner(asked.request)
    finally:
        riding.reset(token)
    await _mark(asked, answer)
    return answer


async def _tell(asked: _Asked, session: RequestSession, answer: Response) -> None:
    """Announce the call in its own transaction: what is rolled back was not made."""
    if asked.request.method in calls.CHANGING:
        key = asked.key.text if asked.key else None
        await calls.tell_made(
            session.tx, asked.caller, status=answer.status_code, key=key, reason=asked.reason, now=session.now
        )
    elif asked.guard.permission.is_sensitive and asked.edge.readings.is_new(asked.caller):
        calls.tell_read(session.tx, asked.caller, status=answer.status_code, now=session.now)
        session.after_commit(partial(asked.edge.readings.remember, asked.caller))


async def _tell_denied(asked: _Asked, error: Forbidden) -> None:
    edge, principal, request_id = asked.edge, asked.principal, asked.exchange.request_id

    async def write(denied: calls.CallDenied) -> None:
        async with edge.database.transaction([principal.tenant_id], actor=principal.actor, request_id=request_id) as tx:
            outbox.announce(tx, [denied], now=await now_of(edge.clocks, tx))

    await edge.denials.tell(asked.caller, write, code=error.code)


async def _open_session(asked: _Asked, tx: Tx) -> RequestSession:
    session = RequestSession(
        tx=tx,
        now=await _now(asked, tx),
        principal=asked.principal,
        request_id=asked.exchange.request_id,
        base_url=asked.edge.settings.public_url,
        version=asked.version,
        prefer_wait_s=wait_of(asked.request.headers),
    )
    asked.request.scope["guilder.session"] = session
    return session


async def _now(asked: _Asked, tx: Tx) -> datetime:
    return await now_of(asked.edge.clocks, tx, may_be_sandbox=asked.principal.is_in_sandbox)


async def _wait(asked: _Asked, look: Look, wait_s: int, answer: Response) -> Response:
    """Look again, in short transactions of its own, until there is an answer, the time is up, or this process has to go."""
    edge, until = asked.edge, asked.edge.clock.monotonic() + wait_s
    asked.exchange.headers["Preference-Applied"] = f"wait={wait_s}"
    while edge.clock.monotonic() < until and not edge.draining.is_draining:
        async with edge.database.transaction(
            [asked.principal.tenant_id], actor=asked.principal.actor, request_id=asked.exchange.request_id, keep=False
        ) as tx:
            found = await look(tx, await _now(asked, tx))
        if found is not None:
            return Response(found.model_dump_json(), answer.status_code, media_type="application/json")
        await asyncio.sleep(LOOK_EVERY_S)
    return answer
