"""Ids: UUIDv7 inside, `sub_01h455vb4pex5vsknk084sn02q` (TypeID) outside.

Time-ordered so that indexes grow at one end; prefixed so that a person sees what an id is of.
PostgreSQL 15 has no uuidv7(), so they are made here.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from os import urandom
from typing import NamedTuple, NewType
from uuid import UUID

from asyncpg.pgproto import pgproto

TenantId = NewType("TenantId", UUID)
CustomerId = NewType("CustomerId", UUID)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_LENGTH = 26
_MINUTE_MS = 60_000
_MINUTES_REMEMBERED = 256
_CHANCE = 8  # bytes, of which 62 bits are used
# The first byte of chance says in its two highest bits of what kind the id is.
_VARIANT = bytes(0b10 << 6 | each & 0x3F for each in range(256))


class Ref(NamedTuple):
    """A row's whole name: a batch may hold rows of several tenants, so an id alone is never enough."""

    tenant_id: TenantId
    id: UUID


class _Sequencer:
    """Keeps the ids of one process in order within a minute.

    By minutes, and not by one maximum for all: a sandbox may live years ahead of the tenants on the wall clock, and must
    not date their ids.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[int, int] = {}

    def after(self, wanted: int, count: int = 1) -> int:
        """Give `count` in a row; return the first."""
        minute = (wanted >> 12) // _MINUTE_MS
        with self._lock:
            given = max(self._last.get(minute, -1) + 1, wanted)
            self._last[minute] = given + count - 1
            if len(self._last) > _MINUTES_REMEMBERED:
                del self._last[next(iter(self._last))]
            return given


_sequencer = _Sequencer()


def new(now: datetime) -> UUID:
    """Make a UUIDv7 dated `now`; ids of one process and millisecond keep their order."""
    chance = urandom(_CHANCE)
    return _made(_sequencer.after(_stamp(now)), chance[:1].translate(_VARIANT) + chance[1:])


def new_many(now: datetime, count: int) -> list[UUID]:
    """Make so many in a row."""
    first, chance = _sequencer.after(_stamp(now), count), bytearray(urandom(_CHANCE * count))
    chance[::_CHANCE] = chance[::_CHANCE].translate(_VARIANT)
    low = bytes(chance)
    return [_made(first + nth, low[_CHANCE * nth : _CHANCE * (nth + 1)]) for nth in range(count)]


def first_of(instant: datetime) -> UUID:
    """Return what no id that is made at this instant, or later, comes before."""
    return _made(max(0, _stamp(instant)), _VARIANT[:1] + bytes(_CHANCE - 1))


def _stamp(now: datetime) -> int:
    # 12 bits beside the millisecond count upwards within it; a burst of over 4096 borrows from the next one.
    return int(now.timestamp() * 1000) << 12


def _made(stamp: int, low: bytes) -> UUID:
    high = (stamp >> 12) << 16 | 0x7 << 12 | stamp & 0xFFF
    # As the driver reads them: a UUID that is made, hashed, compared and written in C.
    return pgproto.UUID(high.to_bytes(8, "big") + low)


def read(text: str) -> UUID:
    """Read a plain UUID.

    :raises ValueError: it is none
    """
    return pgproto.UUID(text)


def to_text(prefix: str, value: UUID) -> str:
    """Write an id as the outside sees it: prefix, underscore, 26 letters of base 32."""
    number, letters = value.int, []
    for _ in range(_LENGTH):
        letters.append(ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(letters))}"


def from_text(prefix: str, text: str) -> UUID | None:
    """Read an id with this prefix, or a plain UUID; None if it is neither."""
    head, _, tail = text.rpartition("_")
    if not head:
        return _plain(text)
    if head != prefix or len(tail) != _LENGTH or tail[0] > "7":
        return None
    number = 0
    for letter in tail:
        value = _VALUES.get(letter)
        if value is None:
            return None
        number = number << 5 | value
    return UUID(int=number)


def _plain(text: str) -> UUID | None:
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def in_tenant(tenant_id: TenantId, ids: Sequence[UUID]) -> list[Ref]:
    return [Ref(tenant_id, each) for each in ids]
