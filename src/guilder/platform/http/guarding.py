"""The access table applied to an application: which guard stands at which route, worked out once, at the start.

Nothing starts that the table does not know, and no row is idle: a route without a row would be anybody's, and a row
without a route is somebody's belief.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.responses import Response

from guilder.platform.auth.permission import Permission
from guilder.platform.auth.principal import Principal
from guilder.platform.http.access import VIEWERS, AccessTable, Does, Endpoint, FieldRule, Viewer
from guilder.platform.http.rules import Rules
from guilder.platform.http.taken import Parameters
from guilder.platform.http.withheld import FieldNotYours, Tree, Trees, left_out, models_in, names_of, refuse


class UnguardedRoute(Exception):
    """A route that does not go through the edge, or is not in the access table: nobody said who may call it."""


class IdleRow(Exception):
    """A row of the access table that holds nothing: there is no such endpoint or field."""


class LaggingRecord(Exception):
    """A route that may lag, or is kept, and is recorded each time it is read: neither could write that down."""


class GatheredUnseen(Exception):
    """A route that is answered together, and of which not every field is everybody's: nobody would look. (Where it is
    written together, whoever anything is withheld from goes the whole way.) Or it is recorded each time that it is read:
    nobody would write that down."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may call one route, and what of it is withheld from whom; who is not named there, nothing is withheld from."""

    permission: Permission
    rules: Rules
    unseen: Mapping[Viewer, Tree] = field(default_factory=dict)
    unset: Mapping[Viewer, Tree] = field(default_factory=dict)
    unset_query: Mapping[Viewer, frozenset[str]] = field(default_factory=dict)

    @property
    def has_session(self) -> bool:
        return self.rules.transaction and not self.permission.is_public

    @property
    def takes_any_query(self) -> bool:
        said = self.rules.extra_query
        return self.permission.is_public if said is None else said

    def withholds(self, principal: Principal) -> bool:
        """Say whether there is anything that this caller may not see, or not say."""
        viewer = Viewer.of(principal)
        return viewer in self.unseen or viewer in self.unset or viewer in self.unset_query

    def refuse(self, principal: Principal | None, query: Mapping[str, str], body: Any) -> None:
        """Let pass what says nothing that is not this caller's to say.

        :raises FieldNotYours: it does; names the field
        """
        if principal is None or not (self.unset or self.unset_query):
            return
        viewer = Viewer.of(principal)
        for name in sorted(self.unset_query.get(viewer, frozenset()) & query.keys()):
            raise FieldNotYours(field=name)
        tree = self.unset.get(viewer)
        if tree is not None:
            refuse(tree, body)

    def shown(self, principal: Principal | None, answer: Response) -> Response:
        """Return an answer as far as this caller may see it."""
        tree = self.unseen.get(Viewer.of(principal)) if principal and self.unseen else None
        if tree is not None and answer.status_code < HTTPStatus.BAD_REQUEST and answer.body:
            answer.body = left_out(tree, bytes(answer.body))
            answer.headers["Content-Length"] = str(len(answer.body))
        return answer


# A schema's fields that are not for everybody, by the schema's name and the field's on the wire.
Withheld = Mapping[str, Mapping[str, FieldRule]]


@dataclass(frozen=True, slots=True)
class Guards:
    by_endpoint: Mapping[Endpoint, Guard]
    withheld: Withheld

    def of(self, method: str, path: str) -> Guard:
        return self.by_endpoint[method, path]


def guards_of(app: FastAPI, table: AccessTable) -> Guards:
    """Put a guard at every route that would be served, however it was added.

    :raises UnguardedRoute: it does not go through the edge, or has no row
    :raises IdleRow: a row has no route, or no field; of a partial table none is missed
    """
    routes = dict(_routes(app))
    without_row = routes.keys() - table.endpoints.keys()
    if without_row:
        raise UnguardedRoute(f"{_listed(without_row)}: say in the access table who may call it")
    idle = table.endpoints.keys() - routes.keys()
    if idle and not table.is_partial:
        raise IdleRow(f"{_listed(idle)}: is in the access table, and nowhere else")
    fields = _Fields(table.fields)
    found = {each: fields.guard(each, routes[each], table.endpoints[each]) for each in sorted(routes)}
    if fields.unused and not table.is_partial:
        raise IdleRow(f"{', '.join(sorted(fields.unused))}: is in the table of fields, and nowhere else")
    return Guards(found, fields.withheld)


def _listed(endpoints: Iterable[Endpoint]) -> str:
    return ", ".join(" ".join(each) for each in sorted(endpoints))


def _routes(app: FastAPI) -> Iterator[tuple[Endpoint, APIRoute]]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not isinstance(getattr(route, "rules", None), Rules):
            raise UnguardedRoute(f"{getattr(route, 'path', route)} does not go through the edge")
        # A request knows its route by the path that it was declared with.
        assert context.path_format == route.path_format, f"{route.path}: a router is included without a prefix"
        for method in context.methods or ():
            yield (method, route.path_format), route


class _Fields:
    """The rules about fields, and which of them hold somewhere."""

    def __init__(self, rules: tuple[FieldRule, ...]) -> None:
        self._by_name: dict[tuple[str, str, Does], FieldRule] = {(r.object, r.field, r.does): r for r in rules}
        self._objects = {r.object for r in rules}
        self._trees = {(each, does): self._withheld_from(each, does) for each in VIEWERS for does in Does}
        self.unused = {f"{r.object}.{r.field}" for r in rules}
        self.withheld: dict[str, dict[str, FieldRule]] = defaultdict(dict)

    def guard(self, endpoint: Endpoint, route: APIRoute, permission: Permission) -> Guard:
        rules: Rules = route.rules  # type: ignore[attr-defined]  # of every route that the edge serves
        if (rules.may_lag or rules.kept) and (permission.is_sensitive or permission.is_public):
            raise LaggingRecord(" ".join(endpoint))
        sent, taken = route.response_model, route.body_field.field_info.annotation if route.body_field else None
        self._note(sent, Does.SEES)
        self._note(taken, Does.SETS)
        guard = Guard(
            permission=permission,
            rules=rules,
            unseen=self._of_viewers(sent, Does.SEES),
            unset=self._of_viewers(taken, Does.SETS),
            unset_query=_present({each: self._query(endpoint, route, each) for each in VIEWERS}),
        )
        is_everybodys = not (guard.unseen or guard.unset or guard.unset_query) and guard.has_session
        if rules.looked and (not is_everybodys or permission.is_sensitive):
            raise GatheredUnseen(" ".join(endpoint))
        if rules.gathered and (not guard.has_session or permission.is_sensitive):
            raise GatheredUnseen(" ".join(endpoint))
        if rules.is_direct and not permission.is_public:
            raise GatheredUnseen(" ".join(endpoint))
        return guard

    def _of_viewers(self, kind: Any, does: Does) -> dict[Viewer, Tree]:
        # Most of what is sent and taken is made of no model with a rule: that is soon seen, once for all viewers.
        if not any(base.__name__ in self._objects for model in models_in(kind) for base in model.__mro__):
            return {}
        return _present({each: self._trees[each, does].of(kind) for each in VIEWERS})

    def _withheld_from(self, viewer: Viewer, does: Does) -> Trees:
        def is_withheld(model: type[BaseModel], name: str) -> bool:
            rule = self._rule(model, name, does)
            return rule is not None and not rule.is_for(viewer)

        return Trees(is_withheld, is_sent=does is Does.SEES)

    def _rule(self, model: type[BaseModel], name: str, does: Does) -> FieldRule | None:
        """Return the rule of a field: of its model, or of the nearest that the model inherits from."""
        found = (self._by_name.get((each.__name__, name, does)) for each in model.__mro__)
        return next((each for each in found if each is not None), None)

    def _query(self, endpoint: Endpoint, route: APIRoute, viewer: Viewer) -> frozenset[str] | None:
        names = set()
        for name in Parameters.of(route).query:
            rule = self._by_name.get((" ".join(endpoint), name, Does.SETS))
            if rule is not None:
                self.unused.discard(f"{rule.object}.{rule.field}")
                if not rule.is_for(viewer):
                    names.add(name)
        return frozenset(names) or None

    def _note(self, kind: Any, does: Does) -> None:
        """Remember which rules are about these models: for the document, and for rows that are about none."""
        for model in models_in(kind):
            for name, info in model.model_fields.items():
                for called in names_of(name, info, is_sent=does is Does.SEES):
                    rule = self._rule(model, called, does)
                    if rule is not None:
                        self.unused.discard(f"{rule.object}.{rule.field}")
                        self.withheld[model.__name__][called] = rule


def _present(found: dict[Viewer, Any]) -> dict[Viewer, Any]:
    return {viewer: what for viewer, what in found.items() if what is not None}
