"""Everything that may come in has a limit that is published: no text, list, map or number of an input is without one."""

from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from scripts.write_limits import PAGE, page, rules_of, the_application

BODY_MOST = 10_000_000
# No regular expression that has a `*` or a `+` ends anywhere.
_ENDLESS = 10_000
_DATED = {"date", "date-time", "uuid"}
Schema = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Schema:
    return the_application().openapi()


@pytest.mark.shows("ASVS 1.4.2", "ASVS 2.1.1", "ASVS 2.2.1", "ASVS 15.1.3", "API4")
def test_every_input_of_every_operation_is_bounded(document):
    schemas = document["components"]["schemas"]
    assert [said for place, schema in inputs(document) for said in unbounded(schema, place, schemas)] == []


@pytest.mark.shows("ASVS 15.1.3", "API4")
def test_every_operation_has_a_largest_body():
    sizes = {f"{method} {path}": rules.body_max for method, path, rules in rules_of(the_application())}
    assert len(sizes) > 150
    assert {name: size for name, size in sizes.items() if not 0 < size <= BODY_MOST} == {}


@pytest.mark.shows("ASVS 15.3.3", "API3")
def test_no_body_takes_fields_that_nobody_knows(document):
    schemas = document["components"]["schemas"]
    taken = {
        name
        for place, schema in inputs(document)
        if place.endswith("body")
        for name in models(schema, schemas)
        if schemas[name].get("type") == "object" and schemas[name].get("additionalProperties") is not False
    }
    assert taken - MAY_TAKE_MORE.keys() == set()
    assert MAY_TAKE_MORE.keys() - taken == set(), "closed by now: take it off the list"


def test_the_page_of_limits_is_fresh():
    assert PAGE.read_text() == page(), "python scripts/write_limits.py writes it anew"


# Each by name, with the reason.
MAY_TAKE_MORE: dict[str, str] = {}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string"},
        {"type": "string", "pattern": "^[a-z]+$"},
        {"type": "string", "pattern": "[a-z]{3}"},
        {"type": "array", "items": {"type": "boolean"}},
        {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        {"type": "integer", "minimum": 0},
        {"type": "number", "maximum": 0},
        {"type": "object", "additionalProperties": {"type": "boolean"}},
        {"type": "object", "additionalProperties": True, "maxProperties": 3},
        {"type": "object", "properties": {"x": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}},
        {"$ref": "#/components/schemas/Loose"},
    ],
)
def test_what_has_no_limit_is_noticed(schema):
    assert list(unbounded(schema, "x", {"Loose": {"properties": {"y": {"type": "string"}}}}))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 3},
        {"type": "string", "pattern": "^a{1,3}$"},
        {"type": "string", "enum": ["a"]},
        {"type": "string", "format": "date-time"},
        {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 3},
        {"type": "object", "patternProperties": {"^a{3}$": {"type": "boolean"}}, "maxProperties": 3},
        {"$ref": "#/components/schemas/Round"},
    ],
)
def test_what_has_a_limit_passes(schema):
    round_ = {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/Round"}}}
    assert list(unbounded(schema, "x", {"Round": round_})) == []


def inputs(document: Schema) -> Iterator[tuple[str, Schema]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for each in operation.get("parameters", []):
                yield f"{method.upper()} {path} {each['in']} {each['name']}", each["schema"]
            for body in operation.get("requestBody", {}).get("content", {}).values():
                yield f"{method.upper()} {path} body", body.get("schema", {})


def models(schema: Any, schemas: Schema, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    if isinstance(schema, list):
        return frozenset().union(*(models(each, schemas, seen) for each in schema))
    if not isinstance(schema, dict):
        return frozenset()
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in seen:
        return frozenset()
    own = frozenset({name}) if name else frozenset()
    inner = [schemas[name]] if name else [value for key, value in schema.items() if key != "default"]
    return own.union(*(models(each, schemas, seen | own) for each in inner))


def unbounded(schema: Schema, path: str, schemas: Schema, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Say where in a schema something has no end."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from unbounded(schemas[name], path, schemas, seen | {name})
        return
    choices = [each for kind in ("anyOf", "oneOf", "allOf") for each in schema.get(kind, [])]
    for each in choices:
        yield from unbounded(each, path, schemas, seen)
    if choices or "enum" in schema or "const" in schema or schema.get("type") in {"boolean", "null"}:
        return
    yield from (f"{path}: {said}" for said in without_end(schema))
    for name, each in inner_of(schema):
        yield from unbounded(each, f"{path}{name}", schemas, seen)


def without_end(schema: Schema) -> Iterator[str]:
    match schema.get("type"):
        case "string" if "maxLength" not in schema and schema.get("format") not in _DATED:
            if not has_an_end(schema.get("pattern", "")):
                yield "text of any length"
        case "array" if "maxItems" not in schema:
            yield "a list of any length"
        case "integer" | "number":
            if (
                not {"minimum", "exclusiveMinimum"} & schema.keys()
                or not {"maximum", "exclusiveMaximum"} & schema.keys()
            ):
                yield "a number of any size"
        case "object" | None:
            is_map = schema.get("additionalProperties") or "patternProperties" in schema
            if is_map and "maxProperties" not in schema:
                yield "a map of any size"
            elif not is_map and "properties" not in schema:
                yield "anything"
        case _:
            return


def inner_of(schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield from ((f".{name}", each) for name, each in schema.get("properties", {}).items())
    yield from (("{}", each) for each in schema.get("patternProperties", {}).values())
    if (more := schema.get("additionalProperties")) not in (None, False):
        yield "{}", more if isinstance(more, dict) else {}
    if schema.get("type") == "array":
        yield "[]", schema.get("items", {})


def has_an_end(pattern: str) -> bool:
    return pattern.startswith("^") and pattern.endswith("$") and _parser.parse(pattern).getwidth()[1] < _ENDLESS
