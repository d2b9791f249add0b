"""What the document calls its models: where two rooms have one of the same name, by room and name, and by no module.

FastAPI tells such two apart by the modules that they are in, which are nobody's business and may change. Their titles it
leaves alike, and generators of clients call classes by the title: of two, they drop one, and whatever mentions it.
"""

import re
from typing import Any

_REFERENCE = "#/components/schemas/"
_PART = "__"
_ROOMS = "domain"


def name_by_room(document: dict[str, Any]) -> None:
    """Call `guilder__domain__catalog__schemas__charges__ChargeIn` `CatalogChargeIn`, and an envelope after what is in it."""
    schemas = document["components"]["schemas"]
    names = {name: plain for name in schemas if (plain := _of_room(name)) is not None}
    names |= {
        name: _around(schema["title"], names[inner])
        for name, schema in schemas.items()
        if name not in names and _PART in name and (inner := _held(schema)) in names
    }
    assert len(set(names.values()) | schemas.keys()) == len(names) + len(schemas), "two models are called the same"
    for name, plain in names.items():
        schemas[name]["title"] = plain
    document["components"]["schemas"] = {names.get(name, name): schema for name, schema in schemas.items()}
    _point(document, names)


def _of_room(name: str) -> str | None:
    parts = name.split(_PART)
    return parts[2].capitalize() + parts[-1] if len(parts) > 3 and parts[1] == _ROOMS else None


def _held(schema: dict[str, Any]) -> str:
    """Return the model that an envelope holds, alone or many of it."""
    data = schema.get("properties", {}).get("data", {})
    return str(data.get("items", data).get("$ref", "")).removeprefix(_REFERENCE)


def _around(title: str, inner: str) -> str:
    """`Envelope[list[EndpointOut]]` around `WebhooksEndpointOut` is `Envelope_list_WebhooksEndpointOut__`."""
    return re.sub(r"[\[\]]", "_", re.sub(r"\w+(?=\]*$)", inner, title))


def _point(node: Any, names: dict[str, str]) -> None:
    if isinstance(node, list):
        for each in node:
            _point(each, names)
    elif isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            name = reference.removeprefix(_REFERENCE)
            node["$ref"] = _REFERENCE + names.get(name, name)
        for each in node.values():
            _point(each, names)
