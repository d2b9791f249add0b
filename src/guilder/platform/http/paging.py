"""Pages at the edge: `?limit=1..200&cursor=…`, where a cursor is opaque, sealed, and good for one list of one tenant."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from guilder.kernel.errors import Malformed
from guilder.kernel.page import LIMIT_DEFAULT, LIMIT_MAX, PageQuery

_UUID_BYTES = 16
_MAC_BYTES = 16
CURSOR_MAX = 64

Blind = Callable[[str], Sequence[bytes]]


class BadCursor(Malformed):
    """This cursor was not given out for this list."""

    code = "bad_cursor"


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals the cursors of one list: `about` names the tenant, the customer who looks, and the route.

    `blind` answers with one MAC for each key of the ring, the newest first, so that cursors outlive a rotation.
    """

    blind: Blind
    about: str

    def seal(self, after: UUID) -> str:
        raw = after.bytes + self._macs(after)[0]
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def open(self, cursor: str) -> UUID:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadCursor(field="cursor") from error
        if len(raw) != _UUID_BYTES + _MAC_BYTES:
            raise BadCursor(field="cursor")
        after, mac = UUID(bytes=raw[:_UUID_BYTES]), raw[_UUID_BYTES:]
        if not any(hmac.compare_digest(mac, each) for each in self._macs(after)):
            raise BadCursor(field="cursor")
        return after

    def _macs(self, after: UUID) -> list[bytes]:
        return [mac[:_MAC_BYTES] for mac in self.blind(f"{self.about}\n{after}")]


# Set by the edge for each request, so that `listed(page, to_wire)` need not be told who asks.
current_sealer: ContextVar[Sealer] = ContextVar("guilder.cursor_sealer")


def seal_cursor(after: UUID) -> str:
    return current_sealer.get().seal(after)


_WHOLE = re.compile(r"-?[0-9]{1,18}")


def _digits(value: object) -> object:
    # pydantic would also read "1_0", " 10" and "1e1".
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise PydanticCustomError("whole_number_expected", "should be a whole number")
    return value


Limit = Annotated[
    int,
    # The number's bounds stand beside the number: behind a function they are checked, but published under no name.
    Field(ge=1, le=LIMIT_MAX),
    BeforeValidator(_digits),
    Query(description="How many, at most."),
]
Cursor = Annotated[str | None, Query(max_length=CURSOR_MAX, description="`page.next_cursor` of the page before.")]


async def _page_query(limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> PageQuery:
    return PageQuery(limit=limit, after=None if cursor is None else current_sealer.get().open(cursor))


PageParams = Annotated[PageQuery, Depends(_page_query)]
