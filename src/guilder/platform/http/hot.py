"""Routes that are asked all the time, and what is the same of each request of one caller to one of them."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from guilder.kernel.errors import Forbidden
from guilder.platform.auth.permission import allow
from guilder.platform.auth.principal import Kind, Principal
from guilder.platform.http.at_hand import LOGGER, Head, Observe
from guilder.platform.http.edge import Edge
from guilder.platform.http.guarding import Guard
from guilder.platform.http.incoming import VERSION_HEADER
from guilder.platform.http.limits import Want
from guilder.platform.http.shedding import Lane, Who, who_of
from guilder.platform.http.shield import set_headers
from guilder.platform.http.whole import lines_of
from guilder.platform.logging import Line

KNOWN_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is the same of each request of one caller to one route. Who is nobody is not counted, but by the lane."""

    principal: Principal | None
    wants: Sequence[Want]
    home: str
    line: Line
    who: Who | None


@dataclass(frozen=True, slots=True)
class Hot:
    """A route that is served ahead; `head` is of each of its answers, but for what is each request's own, `lines` as written.

    `stranger` is who asks where the route is public.
    """

    method: str
    route: str
    lane: Lane
    guard: Guard
    head: Head
    lines: bytes
    status: int
    handler: Callable[..., Awaitable[BaseModel]]
    stranger: Known | None


class Callers:
    """Who may call what, by what their key was found to be; the least lately found is forgotten first."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._known: OrderedDict[tuple[str, str, str], Known] = OrderedDict()

    def of(self, hot: Hot, principal: Principal | None) -> Known | None:
        """Return what is known of a caller who may call this; None: they may not, or it is another's to say."""
        if principal is None:
            return None
        about = (hot.method, hot.route, principal.subject)
        known = self._known.get(about)
        if known is not None and (known.principal is principal or known.principal == principal):
            return known
        edge, rules = self._edge, hot.guard.rules
        if principal.kind is not Kind.API_KEY or (rules.looked is not None and principal.is_in_sandbox):
            return None
        if hot.guard.withholds(principal):
            return None
        try:
            allow(hot.guard.permission, principal, now=edge.clock.now(), step_up_s=edge.settings.step_up_s)
        except Forbidden:
            return None
        actor, home, settings = principal.actor, str(principal.tenant_id), edge.settings
        wants = Want(actor, settings.per_principal, rules.cost), Want("tenant", settings.per_tenant, rules.cost)
        known = Known(
            principal, wants, home, line_of(hot.method, hot.route, hot.status, actor, home), who_of(principal)
        )
        self._known[about] = known
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return known


def line_of(method: str, route: str, status: int, actor: str | None, tenant_id: str | None) -> Line:
    """Return the line of the log that is said of each such request."""
    about = {"method": method, "route": route, "status": status}
    return Line(LOGGER, "request", **about, actor=actor, tenant_id=tenant_id)


def tell(hot: Hot, known: Known, request_id: str, seconds: float, observe: Observe | None) -> None:
    """Write down that a request was answered: its line, and its metrics."""
    known.line.say(request_id=request_id, milliseconds=round(seconds * 1000, 1))
    if observe is not None:
        observe(method=hot.method, route=hot.route, status=hot.status, seconds=seconds)


def hot_of(edge: Edge, route: APIRoute) -> Hot | None:
    """Return a route as it is served ahead; None: it is not."""
    [method], path = route.methods or {""}, route.path_format
    rules = getattr(route, "rules", None)
    if rules is None or not (rules.gathered or rules.looked or rules.is_direct):
        return None
    made = Response(b"", media_type="application/json")
    headers: Any = MutableHeaders(raw=[each for each in made.raw_headers if each[0] != b"content-length"])
    set_headers(headers, {VERSION_HEADER: edge.settings.versions[-1]})
    status = rules.gathered.status if rules.gathered is not None else HTTPStatus.OK.value
    stranger = Known(None, (), "", line_of(method, path, status, None, None), None) if rules.is_direct else None
    head, guard = tuple(headers.raw), edge.guards.of(method, path)
    return Hot(method, path, Lane.of(path), guard, head, lines_of(head), status, route.endpoint, stranger)
