"""docs/security/access.md: the tables as people read them, room by room."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from guilder.platform.auth.permission import Permission
from guilder.platform.auth.principal import Role
from guilder.platform.http.access import AccessTable, Does, Endpoint, FieldRule

_HEAD = """# Who may do what

Made from `src/guilder/wiring/access/` by `python scripts/write_docs.py`; what is enforced is read from the same two tables,
and nothing starts where they and the routes do not fit.

Whoever asks is a key or a member of staff of the business that bills, or a user of one of its customers, and has one of
three roles: `member` reads, `billing` manages billing, `admin` does all. The least role that may call is named; a dash is
nobody. A key also needs the scope. A customer's user reaches what is its own customer's, and nothing else is there for it.

- **proof**: a person must have proven within the last ten minutes who they are; else the answer is 403
  `step_up_required`, and they sign in again. Keys are let through: their scopes say what they may.
- **audited**: that it was read is written down. Whatever changes something is, in any case.
"""
_FIELDS = """## Fields that are not for everybody

What somebody does not see is left out of the answer; whoever sets what is not theirs gets 403 `field_not_yours`, with the
field's path. A rule of a schema holds for those that are made from it. Fields that are not named are for all who may call.
"""
_OPERATIONS = "Operations"
# What every server has, whatever routers it is given.
_OWN = {
    "/": "Be led to /docs, outside of production",
    "/docs": "Read the description of the API, outside of production",
    "/favicon.ico": "The picture that browsers ask for beside a page",
    "/health": "Whether the process lives",
    "/metrics": "Figures for Prometheus: with the token, in production",
    "/openapi.json": "The description of the API",
    "/ready": "Whether work may be sent here",
}


def page(app: FastAPI, table: AccessTable) -> str:
    """Write the page. `app` holds every route that the table has, but for those that every server has."""
    rooms = {_OPERATIONS: [(("GET", path), said) for path, said in _OWN.items()]}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, APIRoute)
        for method in context.methods or ():
            rooms.setdefault(_room(route), []).append(((method, route.path_format), _said(route)))
    sections = [_HEAD, *(_section(name, rooms[name], table) for name in sorted(rooms)), _FIELDS]
    for does, title in ((Does.SETS, "### Set"), (Does.SEES, "### Seen")):
        sections.append(f"{title}\n\n{_fields(each for each in table.fields if each.does is does)}\n")
    return "\n".join(sections)


def _room(route: APIRoute) -> str:
    words = route.endpoint.__module__.split(".")
    return words[2].capitalize() if words[1] == "domain" else _OPERATIONS


def _said(route: APIRoute) -> str:
    text = route.summary or (route.endpoint.__doc__ or "").strip()
    if not text:
        return route.endpoint.__name__.replace("_", " ").capitalize()
    first = text.split("\n\n", maxsplit=1)[0]
    return " ".join(first.split()).partition(". ")[0].rstrip(".").replace("|", "\\|")


def _section(name: str, endpoints: Sequence[tuple[Endpoint, str]], table: AccessTable) -> str:
    lines = [f"## {name}\n", "| | what | scope | keys and staff | customer's users | |", "|---|---|---|---|---|---|"]
    for (method, path), said in sorted(endpoints, key=lambda each: (each[0][1], each[0][0])):
        lines.append(f"| `{method} {path}` | {said} | {_asked(table.endpoints[method, path])} |")
    return "\n".join(lines) + "\n"


def _asked(permission: Permission) -> str:
    if permission.is_public:
        return "– | everybody | everybody | "
    marks = [word for word, holds in (("proof", permission.steps_up), ("audited", permission.is_sensitive)) if holds]
    cells = [f"`{permission.scope}`", _least(permission.tenant), _least(permission.customer), ", ".join(marks)]
    return " | ".join(cells)


def _fields(rules: Iterable[FieldRule]) -> str:
    lines = ["| of | fields | keys and staff | customer's users |", "|---|---|---|---|"]
    for (of, staff, customer), found in groupby(rules, key=lambda each: (each.object, each.staff, each.customer)):
        fields = ", ".join(f"`{each.field}`" for each in found)
        lines.append(f"| `{of}` | {fields} | {_least(staff)} | {_least(customer)} |")
    return "\n".join(lines)


def _least(role: Role | None) -> str:
    return role.value if role else "–"
