"""Requests made up from the description of an operation: a body that fits, and one thing wrong with it at a time."""

import copy
import random
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
DEPTH_MAX = 6

# What text may say: kept word for word or refused, and without power wherever it is shown (F7 of the guarantees).
INJECTIONS = (
    "Robert'); DROP TABLE customers.customers;--",
    "%_\\%",
    "$.metadata ? (@ == 1)",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "{{7*7}}{% debug %}${7*7}#{7*7}",
    "<img src=x onerror=alert(1)>",
    "</script><script>document.title='taken'</script>",
    '"><svg/onload=alert(1)>',
    "a\r\nSet-Cookie: taken=1\r\n\r\n<b>",
    'x","level":"critical","event":"forged"}\n{"event":"forged"',
    '#read("/etc/passwd")',
    "\u202etxt.exe",
    "../../../../etc/passwd",
    "\u001b[31mred\u001b[0m",
)


class MadeUp:
    """Makes bodies of one OpenAPI document; the same seed makes the same ones."""

    def __init__(self, document: dict[str, Any], *, known: dict[str, Any] | None = None, seed: int = 0) -> None:
        """`known` are values for fields of these names: ids of what is there."""
        self._known = known or {}
        self._schemas = document["components"]["schemas"]
        self._chance = random.Random(seed)

    def body_schema(self, described: dict[str, Any]) -> Schema | None:
        content = described.get("requestBody", {}).get("content", {}).get("application/json")
        return self.resolved(content["schema"]) if content else None

    def resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def whole(self, schema: Schema, *, is_full: bool = False, depth: int = 0) -> Any:
        """Make a value that fits: only what is required, or everything (`is_full`)."""
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                options = [each for each in schema[word] if self.resolved(each).get("type") != "null"]
                return self.whole(options[0], is_full=is_full, depth=depth + 1)
        return self._of_type(schema, is_full=is_full, depth=depth)

    def _named(self, name: str, schema: Schema, *, is_full: bool, depth: int) -> Any:
        return self._known[name] if name in self._known else self.whole(schema, is_full=is_full, depth=depth)

    def _of_type(self, schema: Schema, *, is_full: bool, depth: int) -> Any:
        kind = schema.get("type")
        if kind == "object":
            wanted = schema.get("properties", {})
            required = schema.get("required", [])
            names = list(wanted) if is_full and depth < DEPTH_MAX else required
            return {name: self._named(name, wanted[name], is_full=is_full, depth=depth + 1) for name in names}
        if kind == "array":
            count = max(schema.get("minItems", 0), 1 if is_full and depth < DEPTH_MAX else 0)
            return [self.whole(schema["items"], is_full=is_full, depth=depth + 1) for _ in range(count)]
        if kind in {"integer", "number"}:
            return max(1, schema.get("minimum", 1))
        if kind == "boolean":
            return True
        return self._text(schema)

    def _text(self, schema: Schema) -> str:
        if schema.get("examples"):
            return str(schema["examples"][0])
        if schema.get("format") == "date-time":
            return "2026-06-01T00:00:00Z"
        if schema.get("format") == "date":
            return "2026-06-01"
        if (schema.get("minLength"), schema.get("maxLength")) == (3, 3):
            return "EUR"
        if (schema.get("minLength"), schema.get("maxLength")) == (2, 2):
            return "NL"
        return f"made-up-{self._chance.randrange(10**6)}"[: schema.get("maxLength", 40)]

    def fields(
        self, schema: Schema, path: tuple[Any, ...] = (), depth: int = 0
    ) -> Iterator[tuple[tuple[Any, ...], Schema]]:
        """Go through every field of a body, however deep, with the way to it."""
        schema = self.resolved(schema)
        yield path, schema
        if depth > DEPTH_MAX:
            return
        for word in ("anyOf", "oneOf", "allOf"):
            for each in schema.get(word, ())[:1]:
                yield from self.fields(each, path, depth + 1)
        for name, each in schema.get("properties", {}).items():
            yield from self.fields(each, (*path, name), depth + 1)
        if "items" in schema:
            yield from self.fields(schema["items"], (*path, 0), depth + 1)


def is_free_text(schema: Schema) -> bool:
    """Tell whether people may write in it what they like."""
    words = {"enum", "const", "pattern", "format", "$ref", "examples"}
    return schema.get("type") == "string" and not words & set(schema) and schema.get("maxLength", 0) >= 20


def put(whole: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy in which the value stands at this place; what leads there is made if it is missing."""
    if not path:
        return value
    made = copy.deepcopy(whole)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        made = made if isinstance(made, list) else []
        inner = made[0] if made else None
        return [put(inner, rest, value), *made[1:]]
    made = made if isinstance(made, dict) else {}
    made[step] = put(made.get(step), rest, value)
    return made
