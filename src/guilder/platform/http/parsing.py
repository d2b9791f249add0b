"""The one JSON parser of the edge. It refuses what other parsers quietly differ on, and says where it stands.

400: not UTF-8, a byte order mark, not JSON, too deep. 422 with the path of the field: a key twice, NaN and Infinity,
numbers too long or too large, NUL, lone surrogates, card numbers. Numbers keep their kind: `1.0` is not `1`.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from guilder.kernel.errors import Invalid, Malformed
from guilder.platform.cards import looks_like_card

DEPTH_MAX = 32
# More than any 64-bit number has; what is longer is no number that we know what to do with.
DIGITS_MAX = 40
ITEMS_MAX = 100_000


class BadJson(Malformed):
    """The body is not JSON."""

    code = "malformed_json"


class TooDeep(Malformed):
    """The body nests deeper than 32 levels."""

    code = "json_too_deep"


class DuplicateKey(Invalid):
    """This key is given twice."""

    code = "duplicate_key"


class NotANumber(Invalid):
    """This is not a number that JSON knows."""

    code = "not_a_number"


class NumberTooLong(Invalid):
    """This number is too long or too large."""

    code = "number_out_of_range"


class BadCharacter(Invalid):
    """Text may hold neither NUL nor half a character."""

    code = "bad_character"


class CardNumberRefused(Invalid):
    """This looks like a card number, and those are never taken: use the provider's form."""

    code = "card_number_refused"


class TooManyItems(Invalid):
    """The body holds too many values."""

    code = "too_many_items"


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Stands where the parser met something it refuses, until the walk, which knows the path, comes by."""

    refusal: type[Invalid]
    key: str = ""


def parse(raw: bytes) -> Any:
    """Read one JSON text.

    :raises Malformed: it cannot be read
    :raises Invalid: something in it cannot be; `field` says where
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson("the body is not UTF-8") from error
    if text.startswith("\ufeff"):
        raise BadJson("the body begins with a byte order mark")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_int,
            parse_float=_float,
            parse_constant=lambda _: _Wrong(NotANumber),
        )
    except RecursionError as error:
        raise TooDeep from error
    except json.JSONDecodeError as error:
        raise BadJson(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    _walk(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return _Wrong(DuplicateKey, twice)


def _int(text: str) -> int | _Wrong:
    if looks_like_card(text):
        return _Wrong(CardNumberRefused)
    return int(text) if len(text) <= DIGITS_MAX else _Wrong(NumberTooLong)


def _float(text: str) -> float | _Wrong:
    whole, _, fraction = text.partition(".")
    if looks_like_card(whole) and not fraction.strip("0"):
        return _Wrong(CardNumberRefused)
    value = float(text)
    return value if math.isfinite(value) else _Wrong(NumberTooLong)


def _walk(whole: Any) -> None:
    """Look at every value once, without recursion: the depth is not ours to choose."""
    waiting: list[tuple[str, Any, int]] = [("", whole, 1)]
    seen = 0
    while waiting:
        path, value, depth = waiting.pop()
        seen += 1
        if seen > ITEMS_MAX:
            raise TooManyItems
        if isinstance(value, str):
            check_text(value, path)
        elif isinstance(value, _Wrong):
            check_text(value.key, path)
            raise value.refusal(field=_child(path, value.key) or None)
        elif isinstance(value, (dict, list)):
            if depth > DEPTH_MAX:
                raise TooDeep(field=None)
            _push(waiting, path, value, depth + 1)


def _push(waiting: list[tuple[str, Any, int]], path: str, value: dict[str, Any] | list[Any], depth: int) -> None:
    if isinstance(value, list):
        waiting.extend((f"{path}[{index}]", each, depth) for index, each in enumerate(value))
        return
    for key, each in value.items():
        # The path of a bad key is that of its object: what is wrong with it must not be repeated.
        check_text(key, path)
        waiting.append((_child(path, key), each, depth))


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def check_text(text: str, field: str) -> None:
    """Refuse what PostgreSQL and UTF-8 cannot hold, and what looks like a card number.

    :raises BadCharacter: NUL, or a surrogate without its other half
    :raises CardNumberRefused: it looks like a card number
    """
    if "\x00" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise BadCharacter(field=field or None)
    if looks_like_card(text):
        raise CardNumberRefused(field=field or None)
