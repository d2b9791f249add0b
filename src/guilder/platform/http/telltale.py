"""What a process without the API tells of itself, on a port that only its operator reaches: health, readiness, figures."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guilder.kernel.errors import NotFound
from guilder.platform.http.health import METRICS_TYPE, Check, Metrics, Trouble, degraded_of, may_see, missing_of
from guilder.platform.http.settings import HttpSettings

NO_STORE = {"Cache-Control": "no-store"}


def telltale(
    *, checks: Mapping[str, Check], troubles: Mapping[str, Trouble], metrics: Metrics, settings: HttpSettings
) -> Starlette:
    """Return the application: /health, /ready (200 or 503, with what is missing) and /metrics (as the API guards it)."""

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def ready(request: Request) -> Response:
        missing = await missing_of(checks, settings.check_timeout_s)
        said: dict[str, object] = (
            {"status": "not ready", "missing": missing} if missing else {"status": "ready", **degraded_of(troubles)}
        )
        return JSONResponse(said, 503 if missing else 200, headers=NO_STORE)

    async def figures(request: Request) -> Response:
        try:
            may_see(settings, request.headers.get("authorization", ""))
        except NotFound:
            return JSONResponse({"status": "not found"}, 404, headers=NO_STORE)
        return Response(metrics(), media_type=METRICS_TYPE, headers=NO_STORE)

    return Starlette(routes=[Route("/health", live), Route("/ready", ready), Route("/metrics", figures)])
