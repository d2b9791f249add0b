"""The router of everything that is served: its routes go through the edge, and who may call them is in the access table."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter

from guilder.platform.http.edge import EdgeRoute
from guilder.platform.http.rules import BODY_MAX, Rules

F = TypeVar("F", bound=Callable[..., Any])


class PermissionSaidTwice(TypeError):
    """Who may call a route is a row of wiring/access/endpoints.csv, and is said nowhere else."""


class MayNotLag(TypeError):
    """Only a read may be answered by a replica."""


class Router(APIRouter):
    """FastAPI's router, whose routes go through the edge. Handlers are async.

    Beside what FastAPI takes, each verb takes the fields of `Rules`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(redirect_slashes=False, route_class=EdgeRoute, **options)

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        return self._verb("GET", path, options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        return self._verb("POST", path, options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        return self._verb("PUT", path, options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        return self._verb("PATCH", path, options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        return self._verb("DELETE", path, options)

    def _verb(self, method: str, path: str, options: dict[str, Any]) -> Callable[[F], F]:
        if "permission" in options:
            raise PermissionSaidTwice(f"{method} {path}: say who may call it in wiring/access/endpoints.csv")
        rules = Rules(
            body_max=options.pop("body_max", BODY_MAX),
            raw_body=options.pop("raw_body", False),
            transaction=options.pop("transaction", True),
            cost=options.pop("cost", 1),
            extra_query=options.pop("extra_query", None),
            kept=options.pop("kept", None),
            may_lag=options.pop("may_lag", False),
            gathered=options.pop("gathered", None),
            looked=options.pop("looked", None),
            is_direct=options.pop("is_direct", False),
            waits=options.pop("waits", False),
        )
        if rules.may_lag and (method != "GET" or not rules.transaction):
            raise MayNotLag(f"{method} {path}: a replica answers only what reads, in the edge's own transaction")
        # A route is made by its class and nothing else reaches it, so each is of a class that carries its rules.
        kind = type("EdgeRoute", (EdgeRoute,), {"rules": rules})

        def declare(handler: F) -> F:
            assert inspect.iscoroutinefunction(handler), f"{handler.__qualname__} should be async"
            self.add_api_route(path, handler, methods=[method], route_class_override=kind, **options)
            return handler

        return declare
