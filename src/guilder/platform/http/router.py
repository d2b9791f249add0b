"""The router that denies by default: a route that does not say who may call it does not start."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter

from guilder.platform.auth.permission import Permission
from guilder.platform.http.edge import EdgeRoute
from guilder.platform.http.rules import BODY_MAX, Rules

F = TypeVar("F", bound=Callable[..., Any])


class Router(APIRouter):
    """FastAPI's router, whose routes go through the edge. `permission` is required, and handlers are async.

    Beside what FastAPI takes, each verb takes the fields of `Rules`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(redirect_slashes=False, route_class=EdgeRoute, **options)

    def get(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._verb("GET", path, permission, options)

    def post(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._verb("POST", path, permission, options)

    def put(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._verb("PUT", path, permission, options)

    def patch(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._verb("PATCH", path, permission, options)

    def delete(self, path: str, *, permission: Permission, **options: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._verb("DELETE", path, permission, options)

    def _verb(self, method: str, path: str, permission: Permission, options: dict[str, Any]) -> Callable[[F], F]:
        rules = Rules(
            permission=permission,
            body_max=options.pop("body_max", BODY_MAX),
            raw_body=options.pop("raw_body", False),
            transaction=options.pop("transaction", True),
            cost=options.pop("cost", 1),
            extra_query=options.pop("extra_query", permission.is_public),
        )
        # A route is made by its class and nothing else reaches it, so each is of a class that carries its rules.
        kind = type("EdgeRoute", (EdgeRoute,), {"rules": rules})

        def declare(handler: F) -> F:
            assert inspect.iscoroutinefunction(handler), f"{handler.__qualname__} should be async"
            self.add_api_route(path, handler, methods=[method], route_class_override=kind, **options)
            return handler

        return declare
