"""Where a read is answered: by a replica where the route may lag, and what was written is there; else by the primary.

A write answers with the position it reached (`Guilder-Position`). Whoever sends it back with a read, of whichever process,
reads what they wrote. To the process that wrote it nothing need be said. Whoever must read what is so now, because a
webhook told them, says `now`, and the primary answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from starlette.datastructures import Headers
from starlette.responses import Response

from guilder.kernel.errors import Malformed, Refusal
from guilder.platform import metrics
from guilder.platform.db.database import GONE, DatabaseGone
from guilder.platform.db.replica import UNKNOWN, LeftOut, Replica, position_of, text_of
from guilder.platform.db.tx import Tx
from guilder.platform.http.exchange import Exchange, traceparent_of

HEADER = "Guilder-Position"
# The write is done: its answer does not wait longer for a number.
ASK_TIMEOUT_S = 1.0
REFUSED = "refused"
NOW = "now"

S = TypeVar("S")
Answered = tuple[Response, S]


class BadPosition(Malformed):
    """This is no position, such as an answer to a write bears."""

    code = "bad_position"


class RolledBack(Exception):
    """A handler answered with a refusal of its own making: nothing that it did is kept."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


async def read(
    replica: Replica, exchange: Exchange, headers: Headers, within: Callable[[Tx], Awaitable[Answered[S]]]
) -> Answered[S] | None:
    """Answer from the replica; None where the primary is to. A replica never says no: what is not there may be to come.

    :raises BadPosition: the caller names a position that is none
    """
    principal = exchange.principal
    assert principal is not None, exchange.route
    asked = _asked(headers)
    try:
        async with replica.transaction(
            [principal.tenant_id],
            actor=principal.actor,
            request_id=exchange.request_id,
            traceparent=traceparent_of(headers),
            reached=replica.needed(principal.tenant_id, asked=asked),
        ) as (tx, reached):
            answered = await within(tx)
    except LeftOut as left:
        metrics.lagging_read(why=left.why.value)
        return None
    except (Refusal, RolledBack):
        metrics.lagging_read(why=REFUSED)
        return None
    exchange.headers[HEADER] = text_of(reached)
    metrics.lagging_read(why="replica")
    return answered


async def wrote(replica: Replica, exchange: Exchange) -> None:
    """Say in the answer how far this write has come, and remember it for the same tenant's reads."""
    try:
        position: int | None = await asyncio.wait_for(replica.primary_position(), ASK_TIMEOUT_S)
    except (*GONE, DatabaseGone, asyncpg.PostgresError, OSError):
        position = None
    if position is not None:
        exchange.headers[HEADER] = text_of(position)
    if exchange.principal is not None:
        replica.wrote(exchange.principal.tenant_id, position)


def _asked(headers: Headers) -> int:
    given = headers.get(HEADER)
    if given is None:
        return 0
    if given == NOW:
        return UNKNOWN
    try:
        return position_of(given)
    except ValueError as error:
        raise BadPosition(field=HEADER) from error
