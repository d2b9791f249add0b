"""A request that is there whole, and an answer that is written whole: where a connection offers both, nothing is waited for."""

from typing import Protocol

from starlette.types import Scope

from guilder.platform.http.at_hand import Head
from guilder.platform.http.handed import Handed

KEY = "guilder.whole"


class Whole(Protocol):
    """What the connection of a request offers beside `receive` and `send`, which go on as if it were not there."""

    def body(self) -> bytes | None:
        """Return the body, if all of it has come; it stays to be received."""
        ...

    def said(self) -> bytes | None:
        """Return the first piece of the request, byte for byte, if nothing came before it in that piece, or was to come.

        It is the whole request, its head by itself, or more than either; None: it came otherwise.
        """
        ...

    def answer(self, status: int, head: Head, body: bytes) -> bool:
        """Write an answer whole; False: it is to be sent as ever. `head` is all that the answer says, and is well-formed."""
        ...


class Waits(Protocol):
    """A connection that has given a request away before reading it, and hears of it once, by one of these."""

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write an answer whole, as `Whole.answer` does, its head as `lines_of` has it; to nobody, if nobody is there."""
        ...

    def read_as_ever(self, begun: Handed) -> bool:
        """Read the request and have the application asked, which is told what was begun; False: nobody is there any more."""
        ...


def lines_of(head: Head) -> bytes:
    """Return headers as an answer writes them."""
    return b"".join([b"%b: %b\r\n" % each for each in head])


def whole(scope: Scope) -> Whole | None:
    found: Whole | None = scope.get(KEY)
    return found
