"""Links of the description: what may be asked next of the thing that an answer is about, by its id.

Drawn from the description itself. The kind of an id is the prefix of its example; a path's parameter without one is of the
kind that is made where it stands.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Described = dict[str, Any]

_EXAMPLE = re.compile(r"([a-z]{2,8})_[0-7][0-9a-hjkmnp-tv-z]{25}")
_PARAMETER = re.compile(r"\{(\w+)\}")
_LINKED = ("get", "post")


def link(document: Described) -> None:
    """Write into each answer to GET and POST with an `id` which operations take that id as their only path parameter."""
    links = document["components"].setdefault("links", {})
    homes = _homes(document)
    takers = defaultdict(list)
    for path, _, operation in _operations(document):
        kind = _taken(path, operation, homes)
        if kind is not None:
            takers[kind].append((path, operation))
    for path, method, operation in _operations(document):
        answer, about = _answered(operation, document)
        kind = _kind_of(about)
        if method not in _LINKED or kind is None:
            continue
        for taker_path, taker in takers[kind]:
            # Two things may have ids that look alike: then each leads only to what stands where it does.
            if len(homes[kind]) > 1 and _home(taker_path) != _home(path):
                continue
            [parameter] = _PARAMETER.findall(taker_path)
            # What a tenant calls a thing by, where that is how it is asked for: an organization's id, a promo code.
            said = parameter if parameter in about["properties"] else "id"
            name = f"{kind if said == 'id' else said}_{taker['operationId']}"
            links[name] = {
                "operationId": taker["operationId"],
                "parameters": {parameter: f"$response.body#/data/{said}"},
            }
            answer.setdefault("links", {})[taker["operationId"]] = {"$ref": f"#/components/links/{name}"}


def _operations(document: Described) -> Iterator[tuple[str, str, Described]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _home(path: str) -> str:
    """Return where a thing stands: its path without its id, and without what is asked of it."""
    return path.partition("/{")[0]


def _homes(document: Described) -> dict[str, set[str]]:
    """Say for each kind of id where its things are made or read, one by one."""
    found = defaultdict(set)
    for path, method, operation in _operations(document):
        kind = _kind_of(_answered(operation, document)[1])
        is_one = path.endswith("}") if method == "get" else not _PARAMETER.search(path)
        if method in _LINKED and kind is not None and is_one and len(_PARAMETER.findall(path)) < 2:
            found[kind].add(_home(path))
    return found


def _taken(path: str, operation: Described, homes: dict[str, set[str]]) -> str | None:
    """Say of which kind the only path parameter of an operation is; None if that cannot be said."""
    parameters = [each for each in operation.get("parameters", []) if each["in"] == "path"]
    if len(parameters) != 1 or not operation.get("security"):
        return None
    kind = _kind(parameters[0]["schema"])
    if kind is not None:
        return kind
    made_here = [each for each, places in homes.items() if _home(path) in places]
    return made_here[0] if len(made_here) == 1 else None


def _answered(operation: Described, document: Described) -> tuple[Described, Described]:
    """Return the good answer of an operation, and what is said in it of what it is about."""
    for status, answer in operation.get("responses", {}).items():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if status.startswith("2"):
            return answer, _resolved(_resolved(schema, document).get("properties", {}).get("data", {}), document)
    return {}, {}


def _kind_of(about: Described) -> str | None:
    return _kind(about.get("properties", {}).get("id", {}))


def _kind(schema: Described) -> str | None:
    found = next((_EXAMPLE.fullmatch(each) for each in schema.get("examples", []) if isinstance(each, str)), None)
    return found[1] if found else None


def _resolved(schema: Described, document: Described) -> Described:
    named = schema.get("$ref")
    return document["components"]["schemas"].get(named.rpartition("/")[2], {}) if named else schema
