"""The text of an API key: `gk_live_` + 43 letters of randomness + 6 of checksum.

The prefix lets a secret scanner find a leaked one; the checksum tells a typing error, or a made-up key, from a real
one without asking the database. Only the SHA-256 is kept: with 256 random bits there is nothing to guess.
"""

import re
import secrets
import string
import zlib
from enum import StrEnum
from typing import NamedTuple

from guilder.platform.crypto import digest

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY_LENGTH = 43  # 62 ** 43 > 2 ** 256
_SUM_LENGTH = 6
_HINT_LENGTH = 4


class KeyMode(StrEnum):
    """Which kind of tenant a key opens."""

    LIVE = "live"
    TEST = "test"
    SANDBOX = "sandbox"


_PATTERN = re.compile(rf"gk_({'|'.join(KeyMode)})_([0-9A-Za-z]{{{_BODY_LENGTH}}})([0-9A-Za-z]{{{_SUM_LENGTH}}})")


class MintedKey(NamedTuple):
    """A new key: `text` is shown once and not kept; `hash` finds it again; `hint` reminds a person which one it is."""

    text: str
    hash: bytes
    hint: str


class ReadKey(NamedTuple):
    """A key as a request brings it: well-formed, not yet known to be anybody's."""

    mode: KeyMode
    hash: bytes


def mint(mode: KeyMode) -> MintedKey:
    body = _in_letters(secrets.randbits(256), _BODY_LENGTH)
    prefix = f"gk_{mode}_"
    text = prefix + body + _checksum(prefix + body)
    return MintedKey(text, digest(text), f"{prefix}…{text[-_HINT_LENGTH:]}")


def read(text: str) -> ReadKey | None:
    """Read a key; None if it is not one, or was mistyped."""
    found = _PATTERN.fullmatch(text)
    if found is None or _checksum(text[:-_SUM_LENGTH]) != found.group(3):
        return None
    return ReadKey(KeyMode(found.group(1)), digest(text))


def _checksum(text: str) -> str:
    return _in_letters(zlib.crc32(text.encode()), _SUM_LENGTH)


def _in_letters(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    assert number == 0, length
    return "".join(reversed(letters))
