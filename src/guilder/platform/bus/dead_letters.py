"""Dead letters: messages that failed as often as they may. They wait for a person, who may have them handled again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.kernel.ids import TenantId
from guilder.platform.bus import store
from guilder.platform.db.tx import Row, Tx

LIMIT_DEFAULT = 50
LIMIT_MAX = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a group gave up, and why. (group, id) names it; `holds_key` if later ones of its key wait for it."""

    group: str
    id: int
    tenant_id: TenantId
    topic: str
    key: UUID
    event_id: UUID
    name: str
    payload: str
    tries: int
    reason: str
    traceback: str
    holds_key: bool
    occurred_at: datetime
    died_at: datetime


async def listing(
    tx: Tx, *, group: str | None = None, limit: int = LIMIT_DEFAULT, after: tuple[int, str] | None = None
) -> list[DeadLetter]:
    """List the dead letters of the transaction's tenants, newest first, from behind (id, group) `after`."""
    assert 1 <= limit <= LIMIT_MAX, limit
    return [_from_row(row) for row in await store.dead(tx, group=group, limit=limit, after=after)]


async def counts(tx: Tx) -> dict[str, int]:
    """Count the dead letters of the transaction's tenants by group."""
    return await store.dead_counts(tx)


async def replay(tx: Tx, *, group: str | None = None, ids: Sequence[int] | None = None, now: datetime) -> int:
    """Have dead letters handled again (these ids, this group's, or all of the transaction's tenants); return how many.

    Each starts over with all its tries, before what waits behind it, and is handled once however often this is asked.
    """
    replayed = await store.revive(tx, group=group, ids=ids, now=now)
    tx.wake(store.SEQUENCED)
    return replayed


def _from_row(row: Row) -> DeadLetter:
    return DeadLetter(
        group=row["group_name"],
        id=row["id"],
        tenant_id=row["tenant_id"],
        topic=row["topic"],
        key=row["key"],
        event_id=row["event_id"],
        name=row["name"],
        payload=row["payload"],
        tries=row["tries"],
        reason=row["reason"],
        traceback=row["traceback"],
        holds_key=row["blocks"],
        occurred_at=row["occurred_at"],
        died_at=row["died_at"],
    )
