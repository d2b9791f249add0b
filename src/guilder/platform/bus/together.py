"""The SQL of what spans partitions: a batch of a group, whose cursors are taken, followed and moved by one statement each;
and positions given.

One partition alone is a batch of one of them.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter

from msgspec import Struct

from guilder.kernel.ids import TenantId
from guilder.platform.bus.store import Cursor
from guilder.platform.db.tx import Row, Tx


class Run(Struct, frozen=True):
    """Rows of a topic in one partition, of which none is missing between the first position and the last."""

    topic: str
    first: int
    last: int
    days: tuple[date, ...]
    tenants: tuple[TenantId, ...]

    @property
    def rows(self) -> int:
        return self.last - self.first + 1


Claimed = Mapping[int, Sequence[Cursor]]
Found = Mapping[int, Sequence[Run]]

_READ = """select id, topic, partition, position, tenant_id, key, event_id, name, version, payload, actor, request_id,
                  traceparent, occurred_at, recorded_at
             from platform.log
             join unnest($2::smallint[], $3::text[], $4::bigint[], $5::bigint[]) as run (share, of_topic, low, high)
               on partition = share and topic = of_topic and position between low and high
            where day = $1"""


async def claim(tx: Tx, group: str, partitions: Sequence[int], *, now: datetime) -> dict[int, list[Cursor]]:
    """Lock and return the group's cursors that have something before them and that nobody else holds, by partition."""
    rows = await tx.fetch(
        "select *, (select rewritten from platform.log_epoch) from platform.log_claim_together($1, $2, $3)",
        group,
        partitions,
        now,
    )
    claimed: dict[int, list[Cursor]] = {}
    for partition, *cursor in rows:
        claimed.setdefault(partition, []).append(Cursor(*cursor))
    return claimed


async def find(tx: Tx, claimed: Claimed, *, rows_max: int) -> dict[int, list[Run]]:
    """Find what follows the cursors, by partition: of each topic the very next ones."""
    cursors = [(partition, cursor) for partition, own in claimed.items() for cursor in own]
    rows = await tx.fetch(
        "select * from platform.log_find_runs($1, $2, $3, $4)",
        [partition for partition, _ in cursors],
        [cursor.topic for _, cursor in cursors],
        [cursor.position for _, cursor in cursors],
        rows_max,
    )
    found: dict[int, list[Run]] = {}
    for partition, topic, low, high, days, tenants in rows:
        found.setdefault(partition, []).append(Run(topic, low, high, tuple(days), tuple(tenants)))
    return found


async def read(tx: Tx, found: Found) -> list[Row]:
    """Read the rows of these runs, in any order; the transaction must see their tenants."""
    by_day: dict[date, list[tuple[int, Run]]] = {}
    for partition, runs in found.items():
        for run in runs:
            for day in run.days:
                by_day.setdefault(day, []).append((partition, run))
    found_rows: list[Row] = []
    # A day at a time, nearly always the only one: a join over all days is planned a dozen times as slow.
    for day, lying in by_day.items():
        found_rows += await tx.fetch(
            _READ,
            day,
            [partition for partition, _ in lying],
            [run.topic for _, run in lying],
            [run.first for _, run in lying],
            [run.last for _, run in lying],
        )
    return found_rows


def in_order(rows: Sequence[Row], found: Found) -> list[Row]:
    """Put the rows of these runs in order, partition by partition.

    Of a partition a topic's come in the order of their positions, topics beside each other in the order of ids as far as
    that allows.
    """
    parts: dict[int, list[Row]] = {partition: [] for partition in found}
    for row in rows:
        parts[row["partition"]].append(row)
    return [row for partition, own in parts.items() for row in _side_by_side(own, topics=len(found[partition]))]


def _side_by_side(rows: list[Row], *, topics: int) -> list[Row]:
    """Sort the rows of one partition."""
    rows.sort(key=itemgetter("position"))
    if topics == 1:
        return rows
    reached: dict[str, int] = {}
    reaches = []
    for row in rows:
        topic = row["topic"]
        reached[topic] = max(row["id"], reached.get(topic, 0))
        reaches.append((reached[topic], topic))
    return [row for _, row in sorted(zip(reaches, rows, strict=True), key=itemgetter(0))]


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
    return int(await tx.fetchval("select platform.log_sequence_together($1, $2)", partitions, rows_max))


async def open_cursors(tx: Tx, group: str, partitions: Sequence[int]) -> list[int]:
    """Make the cursors that the group has yet to get in these partitions; return where there were any."""
    return [row[0] for row in await tx.fetch("select platform.log_open_together($1, $2)", group, partitions)]
