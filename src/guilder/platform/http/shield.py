"""The outermost layer: every answer, good or bad, gets its headers; every failure gets the one shape; every request
is one line in the log; and a process that shuts down finishes what it has begun."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Protocol

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guilder.platform.clock import Clock
from guilder.platform.http import cors, errors
from guilder.platform.http.exchange import Exchange, client_ip_of, request_id_of
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shedding import Load, Overloaded
from guilder.platform.logging import say

NONE = "'none'"
API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# On every answer. A page says its own Content-Security-Policy, and what may be cached its own Cache-Control.
ALWAYS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
UNLESS_SAID = {"Content-Security-Policy": API_POLICY, "Cache-Control": "no-store"}

LOGGER = "guilder.http"

log = structlog.get_logger(LOGGER)


class Observe(Protocol):
    def __call__(self, *, method: str, route: str, status: int, seconds: float) -> None: ...


@dataclass(slots=True)
class Draining:
    """Whether this process is on its way out, and how many requests it still serves."""

    is_draining: bool = False
    in_flight: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """Say no to /ready from here on, so that no new work is sent; what is under way goes on."""
        self.is_draining = True

    def enter(self) -> None:
        self.in_flight += 1
        self._idle.clear()

    def leave(self) -> None:
        self.in_flight -= 1
        if self.in_flight == 0:
            self._idle.set()

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is under way; False if it still is when the time is up."""
        if self.in_flight == 0:
            return True
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return False
        return True


class Shield:
    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: HttpSettings,
        clock: Clock,
        draining: Draining,
        load: Load,
        observe: Observe | None,
    ) -> None:
        self.app = app
        self.settings = settings
        self.clock = clock
        self.draining = draining
        self.load = load
        self.observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = self._begin(scope, headers)
        extra = exchange.headers | cors.answer_headers(headers, self.settings.cors_origins)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                set_headers(MutableHeaders(scope=message), {**extra, **exchange.headers})
            await send(message)

        self.draining.enter()
        try:
            preflight = cors.preflight(scope["method"], headers, self.settings.cors_origins)
            if preflight is not None:
                await preflight(scope, receive, send_with_headers)
                return
            await self._serve(scope, receive, send_with_headers, exchange, lambda: status != 0)
        finally:
            self.draining.leave()
            self._end(scope, exchange, status)

    def _begin(self, scope: Scope, headers: Headers) -> Exchange:
        peer = scope["client"][0] if scope.get("client") else ""
        request_id = request_id_of(headers, f"req_{token_hex(12)}")
        exchange = Exchange(
            request_id=request_id,
            client_ip=client_ip_of(peer, headers, self.settings.trusted_proxies),
            started_s=self.clock.monotonic(),
            headers={"X-Request-Id": request_id},
        )
        scope["guilder.exchange"] = exchange
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        return exchange

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, exchange: Exchange, has_begun: Callable[[], bool]
    ) -> None:
        try:
            with self.load.lane(scope["path"]):
                await self.app(scope, receive, send)
        except Overloaded as shed:
            await errors.from_refusal(shed, exchange.request_id)(scope, receive, send)
        except asyncio.CancelledError:
            # What is still under way when the time to shut down is up is cancelled, and heard of here for the last time.
            if has_begun() or not self.draining.is_draining:
                raise
            cut = errors.CutOff(retry_after_s=errors.RETRY_AFTER_S)
            await errors.from_refusal(cut, exchange.request_id)(scope, receive, send)
        except Exception:
            # The one place where our own mistakes end: the log knows all, the caller only the request's id.
            log.exception("request_failed", route=exchange.route)
            if has_begun():
                raise
            await errors.unexpected(exchange.request_id)(scope, receive, send)

    def _end(self, scope: Scope, exchange: Exchange, status: int) -> None:
        seconds = self.clock.monotonic() - exchange.started_s
        # The template and never the path: a path may carry a checkout's token, a query someone's name.
        route = exchange.route or "(none)"
        actor = exchange.principal.actor if exchange.principal else None
        say(
            LOGGER,
            "request",
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            actor=actor,
            tenant_id=str(exchange.principal.tenant_id) if exchange.principal else None,
        )
        if self.observe is not None:
            self.observe(method=_known(scope["method"]), route=route, status=status, seconds=seconds)


NOTHING = "'none'"  # as CSP writes it
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _known(method: str) -> str:
    # A label of a metric is never what a stranger made up.
    return method if method in _METHODS else "OTHER"


def set_headers(headers: MutableHeaders, extra: Mapping[str, str]) -> None:
    """Give an answer the headers that every answer has, and its own."""
    for name, value in ALWAYS.items():
        headers[name] = value
    for name, value in UNLESS_SAID.items():
        headers.setdefault(name, value)
    for name, value in extra.items():
        headers[name] = value
    headers.add_vary_header("Origin")
    del headers["server"]


def exchange_of(scope: Mapping[str, Any]) -> Exchange:
    exchange = scope["guilder.exchange"]
    assert isinstance(exchange, Exchange)
    return exchange


def page_headers(*, nonce: str, connect: str = "", frame: str = "", form: str = "") -> dict[str, str]:
    """Return the Content-Security-Policy of an HTML page: scripts by nonce, and the gateway's addresses if it needs any.

    Each of `connect`, `frame` and `form` is a list of sources as CSP writes it; `connect` may also serve scripts.
    """
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' {connect}; style-src 'nonce-{nonce}'; img-src 'self' data:; "
        f"connect-src 'self' {connect}; frame-src {frame or NOTHING}; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {form}"
    )
    return {"Content-Security-Policy": " ".join(policy.split()).replace(" ;", ";")}
