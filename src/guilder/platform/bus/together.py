"""The SQL of what spans partitions: a batch of a group, whose cursors are taken, followed and moved by one statement each;
and positions given.

One partition alone is a batch of one of them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.platform.bus.store import Cursor, Ref
from guilder.platform.db.tx import Tx

Claimed = Mapping[int, Sequence[Cursor]]
Found = Mapping[int, Sequence[Ref]]


async def claim(tx: Tx, group: str, partitions: Sequence[int], *, now: datetime) -> dict[int, list[Cursor]]:
    """Lock and return the group's cursors that have something before them and that nobody else holds, by partition."""
    rows = await tx.fetch("select * from platform.log_claim_together($1, $2, $3)", group, partitions, now)
    claimed: dict[int, list[Cursor]] = {}
    for partition, *cursor in rows:
        claimed.setdefault(partition, []).append(Cursor(*cursor))
    return claimed


async def find(tx: Tx, claimed: Claimed, *, rows_max: int) -> dict[int, list[Ref]]:
    """Find what follows the cursors: of each partition a topic's rows in order, without a gap."""
    cursors = [(partition, cursor) for partition, own in claimed.items() for cursor in own]
    rows = await tx.fetch(
        "select * from platform.log_find_together($1, $2, $3, $4)",
        [partition for partition, _ in cursors],
        [cursor.topic for _, cursor in cursors],
        [cursor.position for _, cursor in cursors],
        rows_max,
    )
    found: dict[int, list[Ref]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Ref(*row[1:]))
    return found


async def move(tx: Tx, group: str, moves: Sequence[tuple[int, Cursor, int]], *, epoch: int) -> None:
    """Move cursors to new positions, of (partition, cursor, position); PostgreSQL refuses it (MOVED_SQLSTATE) if one is
    not where it was read."""
    await tx.execute(
        "select platform.log_move_together($1, $2, $3, $4, $5, $6)",
        group,
        [partition for partition, _, _ in moves],
        [cursor.topic for _, cursor, _ in moves],
        [cursor.position for _, cursor, _ in moves],
        [position for _, _, position in moves],
        epoch,
    )


async def sequence(tx: Tx, partitions: Sequence[int], *, rows_max: int) -> int:
    """Give positions to up to so many rows of each of these partitions, but for those that another sequencer is at."""
    # Each call's statements have snapshots of their own, younger than the lock that it took.
    return int(
        await tx.fetchval(
            """select coalesce(sum(greatest(platform.log_sequence(p, $2), 0)), 0)
                 from unnest($1::smallint[]) as p""",
            partitions,
            rows_max,
        )
    )
