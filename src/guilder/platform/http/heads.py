"""Heads that were read before: whoever asks word for word again need not be read again.

A head is known by its digest. What it said is remembered with where in it the key stands, and never the key itself.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, TypeVar

Said = TypeVar("Said")

# Of a head that is remembered; most have some hundreds.
HEAD_MAX_BYTES = 4_096


@dataclass(slots=True)
class Heads(Generic[Said]):
    """What was said by at most `size_max` heads; the least lately kept is forgotten first."""

    size_max: int
    _said: "OrderedDict[bytes, Said]" = field(default_factory=OrderedDict)

    def find(self, head: bytes) -> Said | None:
        """Return what a head says that is remembered, byte for byte; None: it is to be read."""
        if not self._said or len(head) > HEAD_MAX_BYTES:
            return None
        return self._said.get(_digest(head))

    def keep(self, head: bytes, said: Said) -> None:
        """Remember a head that was read; not one that is longer than most."""
        if len(head) > HEAD_MAX_BYTES:
            return
        self._said[_digest(head)] = said
        while len(self._said) > self.size_max:
            self._said.popitem(last=False)

    def __len__(self) -> int:
        return len(self._said)


def place_of(head: bytes, value: bytes) -> slice | None:
    """Return where a value stands in a head; None where that cannot be told, for it stands there twice."""
    at = head.find(value)
    return slice(at, at + len(value)) if value and at >= 0 and head.count(value) == 1 else None


def _digest(head: bytes) -> bytes:
    return blake2b(head, digest_size=16).digest()
