"""Who may call from a browser: a fixed list of origins. An origin is compared, never reflected."""

from starlette.datastructures import Headers
from starlette.responses import Response

METHODS = "GET, POST, PUT, PATCH, DELETE"
HEADERS = (
    "Authorization, Content-Type, Guilder-Position, Guilder-Reason, Guilder-Tenant, Guilder-Version, Idempotency-Key, "
    "Prefer, Traceparent, X-Request-Id"
)
EXPOSED = (
    "Guilder-Position, Idempotent-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-Request-Id"
)
MAX_AGE_S = 600


def answer_headers(headers: Headers, origins: frozenset[str]) -> dict[str, str]:
    origin = headers.get("origin")
    if origin is None or origin not in origins:
        return {}
    # What the list allows to read may also be loaded from there; nobody else may.
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def preflight(method: str, headers: Headers, origins: frozenset[str]) -> Response | None:
    """Answer a browser's question before a request; None if it is not one, or from an origin that is not listed."""
    if method != "OPTIONS" or "access-control-request-method" not in headers or headers.get("origin") not in origins:
        return None
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Max-Age": str(MAX_AGE_S),
        },
    )
