"""How it is: /health says that the process lives, /ready whether work should be sent to it, /metrics what it counts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from guilder.kernel.errors import NotFound
from guilder.platform import crypto
from guilder.platform.db.database import Database
from guilder.platform.http.errors import problem
from guilder.platform.http.router import Router
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shield import Draining, exchange_of

# Answers None when all is well, or a sentence that says what is missing.
Check = Callable[[], Awaitable[str | None]]
# The same of what is missed, and not needed: said, and nothing more.
Trouble = Callable[[], str | None]
Metrics = Callable[[], bytes]
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def router(
    *,
    database: Database,
    settings: HttpSettings,
    checks: Mapping[str, Check],
    troubles: Mapping[str, Trouble],
    draining: Draining,
    metrics: Metrics | None,
) -> Router:
    health = Router(tags=["operations"])

    async def is_reachable() -> str | None:
        async with database.aside.acquire() as connection, connection.transaction():
            await connection.fetchval("select 1")
        return None

    every = {"database": is_reachable, **checks}

    @health.get("/health", cost=0, summary="The process lives")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @health.get("/ready", cost=0, summary="Work may be sent here")
    async def ready(request: Request) -> Response:
        missing = await missing_of(every, settings.check_timeout_s)
        if draining.is_draining:
            missing["process"] = "is shutting down"
        if not missing:
            return JSONResponse({"status": "ready", **degraded_of(troubles)})
        return problem(
            status=503,
            code="not_ready",
            detail="; ".join(f"{name}: {what}" for name, what in sorted(missing.items())),
            faults=[{"field": name, "code": "missing", "detail": what} for name, what in sorted(missing.items())],
            request_id=exchange_of(request.scope).request_id,
            headers={"Retry-After": "5"},
        )

    if metrics is not None:

        @health.get("/metrics", cost=0, summary="Figures for Prometheus", response_class=PlainTextResponse)
        async def figures(request: Request) -> Response:
            may_see(settings, request.headers.get("authorization", ""))
            return Response(metrics(), media_type=METRICS_TYPE)

    return health


def may_see(settings: HttpSettings, authorization: str) -> None:
    """Let pass in development, or with the token; to anyone else there is no such page."""
    token = settings.metrics_token
    if token is not None and crypto.same(authorization, f"Bearer {token}"):
        return
    if settings.is_production or token is not None:
        raise NotFound


def degraded_of(troubles: Mapping[str, Trouble]) -> dict[str, dict[str, str]]:
    """Return what is missed, and not needed; nothing at all where nothing is."""
    found = {name: what for name, trouble in sorted(troubles.items()) if (what := trouble()) is not None}
    return {"degraded": found} if found else {}


async def missing_of(checks: Mapping[str, Check], timeout_s: float) -> dict[str, str]:
    said = await asyncio.gather(*(_ask(check, timeout_s) for check in checks.values()))
    return {name: what for name, what in zip(checks, said, strict=True) if what is not None}


async def _ask(check: Check, timeout_s: float) -> str | None:
    try:
        return await asyncio.wait_for(check(), timeout_s)
    except TimeoutError:
        return "does not answer"
    except Exception as error:  # noqa: BLE001  (a check that fails is an answer; what it says stays in here)
        return f"cannot be reached ({type(error).__name__})"
