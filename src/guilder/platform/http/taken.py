"""What a route takes: its query parameters by name, which of them are lists, and whether it has a body."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

_LISTS = (list, set, tuple, frozenset)


@dataclass(frozen=True, slots=True)
class Parameters:
    query: frozenset[str]
    query_lists: frozenset[str]
    has_body: bool

    @classmethod
    def of(cls, route: APIRoute) -> "Parameters":
        found = dict(_queries(route.dependant))
        lists = frozenset(name for name, kind in found.items() if _is_list(kind))
        return cls(frozenset(found), lists, route.body_field is not None)


def _queries(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    for field in dependant.query_params:
        kind = field.field_info.annotation
        # A model as `Annotated[Filter, Query()]` names a parameter for each of its fields.
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((each.alias or name, each.annotation) for name, each in kind.model_fields.items())
        else:
            yield field.alias, kind
    for each in dependant.dependencies:
        yield from _queries(each)


def _is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in _LISTS or any(_is_list(part) for part in get_args(kind))
