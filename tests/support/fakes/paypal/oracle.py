"""Requests held against what PayPal publishes: the models of its server SDK, which the product itself never uses.

A model knows its fields (`_names`), which of them may be missing (`_optionals`) and, in its docstring, of what kind each
is. A field that it does not know, one that is missing or one of another kind is a fault of ours, as it is at PayPal.
"""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import paypalserversdk.models as published  # type: ignore[import-untyped]

_ATTRIBUTE = re.compile(r"^ {8}(\w+) \(([\w\[\]]+)\):", re.MULTILINE)
_PLAIN = {"str": str, "bool": bool, "int": int}


# What is asked of PayPal, by the published model of each request's body.
REQUESTS = (
    "OrderCaptureRequest",
    "OrderRequest",
    "Patch",
    "PaymentTokenRequest",
    "RefundRequest",
    "SetupTokenRequest",
)


@cache
def _model(name: str) -> type | None:
    """Return a published model, each of which is in a module of its own."""
    try:
        module = importlib.import_module(f"{published.__name__}.{re.sub('(?<!^)(?=[A-Z])', '_', name).lower()}")
    except ImportError:
        return None
    found = getattr(module, name, None)
    return found if isinstance(found, type) else None


def warm() -> None:
    """Load what takes a while to load, before anybody waits for an answer."""
    for name in REQUESTS:
        assert _model(name) is not None, name


def faults(name: str, body: object) -> list[str]:
    """Return what is wrong with a request's body by the published model of this name."""
    return list(_against(name, body, "$"))


def _against(kind: str, value: object, at: str) -> Iterator[str]:
    if kind.startswith("List["):
        if not isinstance(value, list):
            yield f"{at}: not a list"
            return
        for index, each in enumerate(value):
            yield from _against(kind[5:-1], each, f"{at}[{index}]")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]):
            yield f"{at}: not {kind}"
    elif (model := _model(kind)) is not None:
        yield from _fields(model, value, at) if hasattr(model, "_names") else _choice(model, value, at)


def _choice(model: type, value: object, at: str) -> Iterator[str]:
    allowed = {each for name, each in vars(model).items() if name.isupper() and isinstance(each, str)}
    if allowed and value not in allowed:
        yield f"{at}: {value!r} is none of {model.__name__}"


def _fields(model: Any, value: object, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: not an object"
        return
    wire, optional = model._names, set(getattr(model, "_optionals", []))
    for name in sorted(set(value) - set(wire.values())):
        yield f"{at}.{name}: not in {model.__name__}"
    for name, said in wire.items():
        if name not in optional and said not in value:
            yield f"{at}.{said}: missing"
    kinds = dict(_ATTRIBUTE.findall(model.__doc__ or ""))
    for name, said in wire.items():
        if said in value and name in kinds:
            yield from _against(kinds[name], value[said], f"{at}.{said}")
