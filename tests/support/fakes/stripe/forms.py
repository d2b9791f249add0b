"""Requests: Stripe's form encoding, held against the parameter types of its SDK.

`a[b]=1&c[0]=x` becomes {"a": {"b": 1}, "c": ["x"]}: what is an integer, a boolean, a list or a word of a closed set is
read from the published type. What that does not name, lacks or allows is refused as Stripe refuses it.
"""

import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin
from urllib.parse import parse_qsl

import typing_extensions as te
from stripe._request_options import RequestOptions

from tests.support.fakes.stripe.state import Document, Refusal

# The SDK lets options of a request travel among its parameters; on the wire they are headers.
_OPTIONS = frozenset(RequestOptions.__annotations__)
_NAMES: dict[str, Any] = {"StripeContext": str, "Mapping": Mapping}
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_FIELD = re.compile(r"\[([^\]]*)\]")


def read(encoded: str, shape: type) -> Document:
    """Return the parameters of a request, typed.

    :raises Refusal: 400, with the parameter at fault
    """
    tree: Document = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        first, _, _ = key.partition("[")
        _put(tree, [first, *_FIELD.findall(key)], value)
    return cast("Document", _held(tree, shape, ""))


def _put(tree: Document, path: list[str], value: str) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise Refusal(400, "parameter_invalid", f"Invalid parameter: {name}", param=name)
    # `a[]=x` appends.
    tree[path[-1] or str(len(tree))] = value


def _held(value: Any, shape: Any, where: str) -> Any:
    origin = get_origin(shape)
    if origin in {te.NotRequired, te.Required}:
        return _held(value, get_args(shape)[0], where)
    if te.is_typeddict(shape):
        return _fields(value, shape, where)
    if origin in {Union, types.UnionType}:
        return _one_of(value, get_args(shape), where)
    if origin is Literal:
        return value if value in get_args(shape) else _wrong(value, where)
    if origin is list:
        return _listed(value, get_args(shape)[0], where)
    if origin is dict or getattr(origin, "__name__", "") == "UntypedStripeObject":
        return _texts(value, where)
    return _plain(value, shape, where)


def _fields(value: Any, shape: Any, where: str) -> Document:
    if not isinstance(value, dict):
        _wrong(value, where)
    hints = te.get_type_hints(shape, include_extras=True, localns=_NAMES)
    known = {name: hint for name, hint in hints.items() if name not in _OPTIONS}
    for name in value:
        if name not in known:
            path = f"{where}[{name}]" if where else name
            raise Refusal(400, "parameter_unknown", f"Received unknown parameter: {path}", param=path)
    for name, hint in known.items():
        if name not in value and get_origin(hint) is not te.NotRequired:
            path = f"{where}[{name}]" if where else name
            raise Refusal(400, "parameter_missing", f"Missing required param: {path}.", param=path)
    return {name: _held(each, known[name], f"{where}[{name}]" if where else name) for name, each in value.items()}


def _one_of(value: Any, shapes: tuple[Any, ...], where: str) -> Any:
    """Fit one of several. Words beside `str` are the set that Stripe knows today, and no other is taken."""
    words = [word for shape in shapes if get_origin(shape) is Literal for word in get_args(shape)]
    if isinstance(value, str) and value in words:
        return value
    is_closed = any(words)
    for shape in shapes:
        if get_origin(shape) is Literal or (is_closed and shape is str):
            continue
        try:
            return _held(value, shape, where)
        except Refusal as refusal:
            if refusal.code == "parameter_unknown":
                raise
    return _wrong(value, where)


def _listed(value: Any, shape: Any, where: str) -> list[Any]:
    if not isinstance(value, dict) or not all(name.isdigit() for name in value):
        _wrong(value, where)
    return [_held(value[name], shape, f"{where}[{name}]") for name in sorted(value, key=int)]


def _texts(value: Any, where: str) -> Document:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        _wrong(value, where)
    if len(value) > 50 or any(len(name) > 40 or len(each) > 500 for name, each in value.items()):
        raise Refusal(400, "parameter_invalid", "Metadata have at most 50 keys of 40 and values of 500", param=where)
    return cast("Document", value)


def _plain(value: Any, shape: Any, where: str) -> Any:
    if not isinstance(value, str):
        _wrong(value, where)
    if shape is bool:
        return {"true": True, "false": False}[value] if value in {"true", "false"} else _wrong(value, where)
    if shape is int:
        return int(value) if _INTEGER.fullmatch(value) else _wrong(value, where)
    return value


def _wrong(value: Any, where: str) -> Any:
    raise Refusal(400, "parameter_invalid", f"Invalid {where}: {str(value)[:60]!r}", param=where)
