"""What strangers send as JSON: an object, in which nothing is left that PostgreSQL's text cannot hold."""

import json
import re
from typing import Any

# NUL, and half of a character: JSON can escape both, and neither can be written down.
_UNHOLDABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def document(body: bytes) -> dict[str, Any] | None:
    """Read an object; None: it is none. What could not be kept stands in it as U+FFFD, so that the rest is heard."""
    try:
        text = body.decode(errors="replace")
        found = json.loads(text)
        if not isinstance(found, dict):
            return None
        return {_held(name): _holdable(each) for name, each in found.items()} if _ESCAPED.search(text) else found
    except (ValueError, RecursionError):
        return None


def _holdable(value: object) -> object:
    match value:
        case str():
            return _held(value)
        case list():
            return [_holdable(each) for each in value]
        case dict():
            return {_held(name): _holdable(each) for name, each in value.items()}
        case _:
            return value


def _held(text: str) -> str:
    return text if text.isascii() and "\x00" not in text else _UNHOLDABLE.sub("\ufffd", text)
