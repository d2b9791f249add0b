"""The published description: OpenAPI 3.1, with what the edge does on every route, drawn from the routes themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from guilder.platform.http.access import Does
from guilder.platform.http.edge import EdgeRoute
from guilder.platform.http.errors import PROBLEM
from guilder.platform.http.guarding import Guard, Guards, Withheld
from guilder.platform.http.idempotency import HEADER, METHODS
from guilder.platform.http.incoming import PATH_PART_MAX
from guilder.platform.http.linking import link
from guilder.platform.http.naming import name_by_room
from guilder.platform.http.placing import HEADER as POSITION_HEADER

Operation = dict[str, Any]

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `detail` is for people and may change.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string", "examples": ["lines[0].amount"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
        "request_id": {"type": "string"},
    },
}
_ANSWERS = {
    "400": "The request cannot be read",
    "401": "No valid credentials",
    "403": "These credentials do not allow this",
    "404": "No such thing, or not yours",
    "409": "Not possible in the state that things are in, or the same key is being served",
    "413": "More than is taken at once",
    "415": "A body that is not JSON",
    "422": "A field says something that cannot be",
    "429": "Too often; Retry-After says when",
    "503": "Not now; Retry-After says when",
}
_PUBLIC_ANSWERS = ("400", "404", "413", "422", "429", "503")
_SECURITY = {
    "api_key": {"type": "http", "scheme": "bearer", "description": "A tenant's API key."},
    "user_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of an issuer that the tenant registered.",
    },
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key and request is answered as before and does nothing more, for at least 72 hours.",
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^wait=\\d{1,4}$", "examples": ["wait=10"]},
    "description": "Wait up to so many seconds, 30 at most, for what is done in the background.",
}
_POSITION = {
    "name": POSITION_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^(now|[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})$", "maxLength": 17},
    "description": "What was written up to here is to be read: the header of an answer to a write, or `now`. Where a read "
    "replica is in use, this may else be a few seconds old to another process than the one that wrote.",
}


def describe(app: FastAPI, guards: Guards, versions: tuple[str, ...], public_url: str) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": public_url}],
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape, which is never sent
        schemas.pop(name, None)
    _mark_withheld(schemas, guards.withheld)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method.upper(), guards.of(method.upper(), path), versions)
    link(document)
    name_by_room(document)
    return document


def _mark_withheld(schemas: dict[str, Any], withheld: Withheld) -> None:
    """Say of each field that is not for all who may call from which role on it is seen, or may be set."""
    for name, schema in schemas.items():
        # FastAPI writes the whole path of a model's name where two are called the same.
        for field, rule in withheld.get(name.rsplit("__", 1)[-1], {}).items():
            if field not in schema.get("properties", {}):
                continue
            schema["properties"][field][f"x-guilder-{rule.does.value}"] = {
                "tenant": rule.staff.value if rule.staff else None,
                "customer": rule.customer.value if rule.customer else None,
            }
            if rule.does is Does.SEES and field in schema.get("required", []):
                schema["required"].remove(field)


def _complete(operation: Operation, method: str, guard: Guard, versions: tuple[str, ...]) -> None:
    permission = guard.permission
    answers = operation.setdefault("responses", {})
    for status in _PUBLIC_ANSWERS if permission.is_public else _ANSWERS:
        answers[status] = {
            "description": _ANSWERS[status],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    parameters = operation.setdefault("parameters", [])
    for each in parameters:
        if each["in"] == "path" and each["schema"].get("type") == "string":
            each["schema"].setdefault("maxLength", PATH_PART_MAX)
    parameters.append(
        {
            "name": "Guilder-Version",
            "in": "header",
            "required": False,
            "description": "The form in which things are said and heard, by its date; by default, the newest.",
            "schema": {"type": "string", "enum": list(versions), "default": versions[-1]},
        }
    )
    if permission.is_public:
        operation["security"] = []
        return
    if guard.has_session and method in METHODS:
        parameters.append(_IDEMPOTENCY_KEY)
    if guard.rules.waits:
        parameters.append(_PREFER)
    if guard.rules.may_lag:
        parameters.append(_POSITION)
    tokens = ["api_key"] if permission.customer is None else ["api_key", "user_token"]
    operation["security"] = [{name: []} for name in tokens]
    operation["x-guilder-permission"] = {
        "scope": permission.scope,
        "tenant": permission.tenant.value if permission.tenant else None,
        "customer": permission.customer.value if permission.customer else None,
        "steps_up": permission.steps_up,
        "is_audited": permission.is_sensitive,
    }


def served(app: FastAPI) -> set[tuple[str, str]]:
    """Say which (method, path) this application answers at, documented or not."""
    return {
        (method, context.path_format)
        for context in iter_route_contexts(app.routes)
        if context.path_format is not None
        for method in context.methods or ()
        if isinstance(context.original_route, EdgeRoute)
    }


def undocumented(app: FastAPI) -> set[tuple[str, str]]:
    """Say which are answered and are not meant to be in the document."""
    return {
        (method, context.path_format)
        for context in iter_route_contexts(app.routes)
        if context.path_format is not None and not getattr(context, "include_in_schema", True)
        for method in context.methods or ()
    }


def documented(app: FastAPI) -> set[tuple[str, str]]:
    """Say which (method, path) the document names."""
    return {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}
