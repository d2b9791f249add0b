"""The application: routers, the edge around them, and what every server has."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from guilder.kernel.errors import NotFound, Refusal
from guilder.platform.cache.answers import Answers
from guilder.platform.clock import Clock, WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database
from guilder.platform.db.replica import Replica
from guilder.platform.http import docs, errors, health, openapi
from guilder.platform.http.access import AccessTable
from guilder.platform.http.ahead import Ahead
from guilder.platform.http.asking import asking_of
from guilder.platform.http.at_hand import AtHand, Head
from guilder.platform.http.calls import Denials, Readings
from guilder.platform.http.edge import Edge
from guilder.platform.http.exchange import Authenticator
from guilder.platform.http.finding import find_quickly
from guilder.platform.http.gathering import Gatherings
from guilder.platform.http.guarding import Guards, guards_of
from guilder.platform.http.handed import handed
from guilder.platform.http.limits import InProcess, RateLimiter
from guilder.platform.http.router import Router
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shared import shared
from guilder.platform.http.shedding import Load
from guilder.platform.http.shield import Draining, Observe, Shield, exchange_of
from guilder.platform.http.whole import Waits

# The guilder's own sign.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f2937"/>'
    '<text x="16" y="23" font-family="Georgia,serif" font-size="22" fill="#fff" text-anchor="middle">\u0192</text></svg>'
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Application(FastAPI):
    """FastAPI, which is asked for what is neither at hand nor served ahead of it."""

    at_hand: AtHand | None = None
    ahead: Ahead | None = None

    def at_once(self, scope: Scope) -> tuple[Head, bytes] | None:
        """Return head and body of an answer that is at hand and takes no waiting; None: call the application."""
        return None if self.at_hand is None else self.at_hand.at_once(scope)

    def at_once_again(self, head: bytes) -> tuple[Head, bytes] | None:
        """Return the same of a request that is word for word one that was answered so before; None: read it."""
        return None if self.at_hand is None else self.at_hand.at_once_again(head)

    def remember(self, head: bytes, scope: Scope) -> None:
        """Remember a request, word for word, that was answered at once."""
        if self.at_hand is not None:
            self.at_hand.remember(head, scope)

    def gather_again(self, head: bytes, body: bytes, peer: str, waits: Waits) -> bool:
        """Have a request done whose head is word for word one of before, as `Again.gather` does; False: read it."""
        return self.ahead is not None and self.ahead.again.gather(head, body, peer, waits)

    def has_read(self, head: bytes) -> bool:
        """Say whether a request with this head could be given to `gather_again`."""
        return self.ahead is not None and self.ahead.again.has_read(head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.at_hand is not None:
            asking = asking_of(scope)
            if asking is not None and await self.at_hand.answered(scope, asking, send):
                return
            if self.ahead is not None and handed(scope) is None:
                left = await self.ahead.served(scope, asking, receive, send)
                if left is None:
                    return
                receive = left
        await super().__call__(scope, receive, send)


def build(
    *,
    routers: Sequence[Router],
    access: AccessTable,
    authenticate: Authenticator,
    clocks: TenantClocks,
    database: Database,
    keys: KeyRing,
    settings: HttpSettings,
    ready_checks: Mapping[str, health.Check] | None = None,
    troubles: Mapping[str, health.Trouble] | None = None,
    metrics: health.Metrics | None = None,
    observe: Observe | None = None,
    limiter: RateLimiter | None = None,
    answers: Answers | None = None,
    replica: Replica | None = None,
    at_hand: AtHand | None = None,
    clock: Clock | None = None,
    lifespan: Lifespan | None = None,
    title: str = "Guilder",
    version: str = "0.1.0",
    description: str = "Subscription billing and payments that a company runs itself.",
) -> FastAPI:
    """Put the application together. `app.state.draining.begin()` is for whoever hears SIGTERM.

    Serve it with `proxy_headers=False, server_header=False`: the edge itself reads X-Forwarded-For, from proxies it trusts.

    :raises UnguardedRoute: a route that does not go through the edge, or without a row in the access table
    :raises IdleRow: a row without a route, or without a field
    """
    draining, wall = Draining(), clock or WallClock()
    load = Load(settings.ceilings, lambda: database.waiting)
    denials = Denials(wall.monotonic)
    gatherings = Gatherings(database, clocks, keys, settings.public_url)
    app = Application(
        title=title,
        version=version,
        description=description,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_served(load, draining, denials, gatherings, lifespan),
    )
    app.at_hand = at_hand
    app.state.database = database
    app.state.draining = draining
    _answer_in_one_shape(app)
    own = health.router(
        database=database,
        settings=settings,
        checks=ready_checks or {},
        troubles=troubles or {},
        draining=draining,
        metrics=metrics,
    )
    for each in (own, _documents(app, settings), *routers):
        app.include_router(each)
    guards = guards_of(app, access)
    finder = find_quickly(app)
    edge = app.state.edge = Edge(
        database=database,
        clocks=clocks,
        authenticate=authenticate,
        limiter=limiter or InProcess(wall.monotonic),
        clock=wall,
        keys=keys,
        settings=settings,
        guards=guards,
        denials=denials,
        readings=Readings(wall.monotonic),
        load=load,
        draining=draining,
        gatherings=gatherings,
        answers=answers,
        replica=replica,
        at_hand=at_hand,
    )
    if at_hand is not None:
        app.ahead = Ahead(app, edge, finder, at_hand.authenticate, observe=observe)
    app.openapi = _described_once(app, settings, guards)  # type: ignore[method-assign]
    app.add_middleware(Shield, settings=settings, clock=wall, draining=draining, load=load, observe=observe)
    return app


def _documents(app: FastAPI, settings: HttpSettings) -> Router:
    router = Router(include_in_schema=False)

    @router.get("/openapi.json")
    async def document(request: Request) -> Response:
        return shared(request, app.openapi())

    @router.get("/")
    async def door() -> Response:
        # Whoever opens the address that a development server prints is shown what it can do.
        if settings.is_production:
            raise NotFound
        return RedirectResponse("/docs")

    @router.get("/favicon.ico")
    async def icon() -> Response:
        # Browsers ask for it beside every page.
        return Response(_ICON, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})

    @router.get("/docs")
    async def page() -> Response:
        if settings.is_production:
            raise NotFound
        return docs.page(app.openapi())

    return router


def _described_once(app: FastAPI, settings: HttpSettings, guards: Guards) -> Callable[[], dict[str, Any]]:
    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.describe(app, guards, settings.versions, settings.public_url)
        return app.openapi_schema

    return described


def _answer_in_one_shape(app: FastAPI) -> None:
    async def refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return errors.from_refusal(error, exchange_of(request.scope).request_id)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return errors.from_validation(error, exchange_of(request.scope).request_id)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return errors.from_http(error, exchange_of(request.scope).request_id)

    app.add_exception_handler(Refusal, refusal)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)


def _served(
    load: Load, draining: Draining, denials: Denials, gatherings: Gatherings, inner: Lifespan | None
) -> Lifespan:
    """Show its load from the beginning, and drain it at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        load.show()
        try:
            if inner is None:
                yield
            else:
                async with inner(app):
                    yield
        finally:
            draining.begin()
            await gatherings.settle()
            await denials.settle()

    return lifespan
