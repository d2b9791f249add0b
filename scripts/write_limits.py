"""Write docs/security/limits.md: what may come in, drawn from the routes and the description of the API."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from guilder.domain.usage.schemas.wire import EVENTS_MAX
from guilder.entrypoints import mailbox
from guilder.kernel.page import LIMIT_DEFAULT, LIMIT_MAX
from guilder.platform import metrics
from guilder.platform.config import Settings
from guilder.platform.http import fields, incoming, limits, parsing, shedding
from guilder.platform.http.app import build
from guilder.platform.http.edge import EdgeRoute
from guilder.platform.http.rules import BODY_MAX, Rules
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shedding import Ceilings
from guilder.wiring import access, published
from guilder.wiring.routers import ROUTERS

PAGE = Path(__file__).parents[1] / "docs" / "security" / "limits.md"
URL = "https://billing.example.com"
_OF_NOBODY: Any = None  # what is only described needs no database, no keys and no clock


@cache
def the_application() -> FastAPI:
    """Put together what is served, to be looked at and not to be asked."""
    return build(
        routers=(*ROUTERS, published.router(base_url=URL), mailbox.router(is_production=False)),
        access=access.table(),
        authenticate=_OF_NOBODY,
        clocks=_OF_NOBODY,
        database=_OF_NOBODY,
        keys=_OF_NOBODY,
        settings=HttpSettings(public_url=URL),
        metrics=metrics.render,
    )


def _default(setting: str) -> limits.Allowance:
    return limits.Allowance(Settings.model_fields[setting].default)


def rules_of(app: FastAPI) -> Iterator[tuple[str, str, Rules]]:
    """Yield every route's method, path and rules."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, EdgeRoute):
            yield from ((method, context.path_format or "", route.rules) for method in sorted(context.methods or ()))


def page() -> str:
    """Write the page."""
    settings = HttpSettings(public_url=URL)
    app = the_application()
    rows = [
        "# What may come in, at most",
        "",
        "Made by `python scripts/write_limits.py` from the routes; `tests/house/test_input_limits.py` says when it is stale, and",
        "that every text, list, map and number of every input in `/openapi.json` has an end.",
        "",
        "## Every request",
        "",
        "| what | at most | beyond it |",
        "|---|---|---|",
        *(f"| {what} | {most} | {beyond} |" for what, most, beyond in _everywhere(settings)),
        "",
        "## How often",
        "",
        "| who | a minute | at once | beyond it |",
        "|---|---|---|---|",
    ]
    for who, allowance in (
        ("a key, a user, a session", _default("rate_limit_per_minute")),
        ("all keys and users of a tenant together", _default("rate_limit_tenant_per_minute")),
        ("an address, where nobody is known", _default("rate_limit_anonymous_per_minute")),
        ("an address whose credentials were wrong", _default("rate_limit_failed_logins_per_minute")),
    ):
        rows.append(f"| {who} | {allowance.per_minute:,} | {allowance.size:,} | 429 with Retry-After |")
    rows += [
        "",
        f"Buckets are remembered for {limits.BUCKETS_MAX:,} callers of a process; the least lately used is forgotten first. With",
        "`REDIS_URL` all processes share them ([caching](../design/caching.md)); while Redis is away each has its own. A call takes",
        "from its caller's and its tenant's bucket, or, where one of them is empty, from neither. In the environment:",
        "`RATE_LIMIT_PER_MINUTE`, `RATE_LIMIT_TENANT_PER_MINUTE`, `RATE_LIMIT_ANONYMOUS_PER_MINUTE`,",
        "`RATE_LIMIT_FAILED_LOGINS_PER_MINUTE`.",
        "",
        "## How many at once, of one process",
        "",
        "| what | at most | beyond it | setting |",
        "|---|---|---|---|",
        *(f"| {what} | {most:,} | {beyond} | {setting} |" for what, most, beyond, setting in _at_once(Ceilings())),
        "",
        f"Retry-After is 1 to {shedding.RETRY_MAX_S} s, by chance, so that those who were turned away do not come back together.",
        "`guilder_http_sheds_total` counts them by reason: `in_flight`, `waiting`, `caller`.",
        "",
        "## Routes that take more, or less, or count otherwise",
        "",
        f"All others take a JSON body of at most {BODY_MAX:,} bytes and count as one call.",
        "",
        "| route | body | form | counts as |",
        "|---|---|---|---|",
        *_exceptions(app),
        "",
        "## Lists and maps",
        "",
        "| body | at most |",
        "|---|---|",
        *_lists(app.openapi()),
        "",
    ]
    return "\n".join(rows)


def _everywhere(settings: HttpSettings) -> list[tuple[str, str, str]]:
    return [
        ("the body, unless said below", f"{BODY_MAX:,} bytes", "413, before it is read where Content-Length says so"),
        ("the time that a body takes to arrive", f"{settings.body_timeout_s:g} s", "408"),
        ("the time that an answer takes", f"{settings.request_timeout_s:g} s", "503"),
        ("compressed bodies", "none are taken", "415"),
        ("levels within a JSON body", f"{parsing.DEPTH_MAX}", "400 `json_too_deep`"),
        ("values in a JSON body", f"{parsing.ITEMS_MAX:,}", "422 `too_many_items`"),
        ("digits of a number", f"{parsing.DIGITS_MAX}", "422 `number_out_of_range`"),
        ("an amount", "64 bits less one, in minor units", "422 with the field"),
        ("a quantity", f"{fields.QUANTITY_MAX:,}", "422 with the field"),
        ("an exact decimal", "18 digits before the point, 12 after, as text", "422 with the field"),
        ("the query", f"{incoming.QUERY_MAX_BYTES:,} bytes", "400 `query_too_long`"),
        ("a part of the path", f"{incoming.PATH_PART_MAX:,} letters", "404"),
        ("an Idempotency-Key", "255 letters, visible ASCII", "400"),
        ("a page of a list", f"{LIMIT_MAX} ({LIMIT_DEFAULT} unless asked)", "422 with the field"),
        (
            "metadata",
            f"{fields.METADATA_KEYS_MAX} keys of {fields.METADATA_KEY_MAX} letters, values of {fields.METADATA_VALUE_MAX}",
            "422 with the field",
        ),
        ("`Prefer: wait=N`", "30 s", "30 s"),
        ("usage events in one request", f"{EVENTS_MAX:,}", "422"),
    ]


def _at_once(most: Ceilings) -> list[tuple[str, int, str, str]]:
    overloaded = "503 `overloaded` with Retry-After, before anything is read"
    return [
        ("requests", most.api, overloaded, "`REQUESTS_MAX`"),
        ("of them, of one key or user", most.per_caller, "429 `too_many_at_once`", "`REQUESTS_PER_CALLER_MAX`"),
        ("of them, of all keys and users of a tenant", most.per_tenant, "the same", "seven eighths of `REQUESTS_MAX`"),
        ("providers' webhooks", most.webhooks, overloaded, "`REQUESTS_WEBHOOKS_MAX`"),
        ("`/health`, `/ready`, `/metrics`", most.operations, overloaded, ""),
        ("transactions that wait for a connection", most.waiting, overloaded, "`REQUESTS_WAITING_MAX`"),
        ("the same, before webhooks are turned away", most.waiting * 3 // 2, overloaded, ""),
    ]


def _exceptions(app: FastAPI) -> Iterator[str]:
    for method, path, rules in sorted(rules_of(app), key=lambda each: (each[1], each[0])):
        if rules.body_max != BODY_MAX or rules.cost != 1 or rules.raw_body:
            form = "read as it came" if rules.raw_body else "JSON"
            counts = "none: never limited" if rules.cost == 0 else f"{rules.cost}"
            body = "" if method == "GET" else f"{rules.body_max:,}"
            yield f"| `{method} {path}` | {body} | {form if body else ''} | {counts} |"


def _lists(document: dict[str, Any]) -> Iterator[str]:
    for name, schema in sorted(document["components"]["schemas"].items()):
        if schema.get("additionalProperties") is not False:
            continue  # what goes out
        for field, each in schema.get("properties", {}).items():
            for shape in (each, *each.get("anyOf", [])):
                most = shape.get("maxItems") or shape.get("maxProperties")
                if most and field != "metadata":
                    yield f"| `{name.rpartition('__')[2]}.{field}` | {most:,} |"


def main() -> int:
    if "--check" in sys.argv:
        return 0 if PAGE.is_file() and PAGE.read_text() == page() else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
