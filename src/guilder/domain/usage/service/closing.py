"""Closing: up to when use has been billed, and what came after that."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.usage.model import Closing, LateAsked, LateUse
from guilder.domain.usage.store import closing
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

# Each takes a place in PostgreSQL's table of locks, which has 6,400 by default, for everybody.
CLOSINGS_MAX = 1_000


async def close(tx: Tx, *, closings: Sequence[Closing]) -> None:
    """Make use before `until` late from here on; a watermark never moves back.

    It waits for whoever is counting a reading of these customers, and holds up whoever comes, until this transaction
    ends: totals and `late_since` that are asked for after it, in this transaction, have seen everything.
    """
    assert len(closings) <= CLOSINGS_MAX, len(closings)
    until: dict[Ref, datetime] = {}
    for each in closings:
        until[each.customer_ref] = max(each.until, until.get(each.customer_ref, each.until))
    if until:
        await closing.close(tx, until)


async def late_since(tx: Tx, *, asked: Sequence[LateAsked]) -> list[tuple[LateUse, ...]]:
    """Return, for each that is asked, what came late after that number, in order. Ask after `close`, in its transaction.

    What a late use changes is the period that it is dated in; of a weighted sum every later period too, since its level
    stands on.
    """
    return await closing.late_since(tx, asked) if asked else []
