"""Finding a request's route by one look into a table, instead of trying each of some hundred expressions in turn.

FastAPI asks its routes one after the other, and those of an included router twice; with this many that was half of
a request's time. Here a path is split at its slashes: the routes with as many parts and the same two first words are
tried, in the order in which they were declared, and the first that matches wholly is the one. Whatever none of them
matches (another method, no such path) goes FastAPI's own way, and is answered as it always was.
"""

from collections import defaultdict
from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

# What a part of a path is called that may be any word.
ANY = "*"
_Kind = tuple[str, int]
_Words = tuple[str, str]


class Finder:
    """The application's router, with a table before it."""

    def __init__(self, app: ASGIApp, routes: Sequence[APIRoute]) -> None:
        self._app = app
        self.routes = routes
        self._tables: dict[_Kind, dict[_Words, list[APIRoute]]] = {}
        by_kind: dict[_Kind, list[APIRoute]] = defaultdict(list)
        for route in routes:
            # A parameter that takes slashes fits paths of any number of parts: such a route is left to FastAPI.
            if not any(each in route.path for each in (":path}", ":path ")):
                for method in route.methods or ():
                    by_kind[method, route.path_format.count("/")].append(route)
        for kind, of_kind in by_kind.items():
            self._tables[kind] = _table(of_kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):
            path: str = scope["path"]
            for route in self.candidates(scope["method"], path):
                match, child = route.matches(scope)
                if match is Match.FULL:
                    scope.update(child)
                    await route.handle(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def candidates(self, method: str, path: str) -> Sequence[APIRoute]:
        """Return the routes that may be meant, in the order in which they are tried."""
        table = self._tables.get((method, path.count("/")))
        if table is None:
            return ()
        first, second = _words(path)
        for words in ((first, second), (first, ANY), (ANY, second), (ANY, ANY)):
            if (found := table.get(words)) is not None:
                return found
        return ()


def find_quickly(app: FastAPI) -> Finder:
    """Put a table of the application's routes before its router; after the last route was added."""
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    finder = Finder(app.router.middleware_stack, [each for each in routes if isinstance(each, APIRoute)])
    app.router.middleware_stack = finder
    return finder


def _table(routes: list[APIRoute]) -> dict[_Words, list[APIRoute]]:
    """Sort routes by their first two words; where one may be any word, it stands among those of every word."""
    words = [_words(route.path_format) for route in routes]
    table = {}
    for first in {each for each, _ in words} | {ANY}:
        for second in {each for _, each in words} | {ANY}:
            found = [route for route, own in zip(routes, words, strict=True) if _fits(own, (first, second))]
            if found:
                table[first, second] = found
    return table


def _words(path: str) -> _Words:
    _, first, second, *_ = (*path.split("/", 3), "", "")
    return _word(first), _word(second)


def _word(part: str) -> str:
    return ANY if "{" in part else part


def _fits(of_route: _Words, asked: _Words) -> bool:
    return all(own in (ANY, wanted) for own, wanted in zip(of_route, asked, strict=True))
