"""A request that is there whole, and an answer that is written whole: where a connection offers both, nothing is waited for."""

from typing import Protocol

from starlette.types import Scope

from guilder.platform.http.at_hand import Head

KEY = "guilder.whole"


class Whole(Protocol):
    """What the connection of a request offers beside `receive` and `send`, which go on as if it were not there."""

    def body(self) -> bytes | None:
        """Return the body, if all of it has come; it stays to be received."""
        ...

    def answer(self, status: int, head: Head, body: bytes) -> bool:
        """Write an answer whole; False: it is to be sent as ever. `head` is all that the answer says, and is well-formed."""
        ...


def whole(scope: Scope) -> Whole | None:
    found: Whole | None = scope.get(KEY)
    return found
