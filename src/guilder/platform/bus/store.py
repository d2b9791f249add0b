"""All SQL of the log. What must happen before the tenant is known calls the definer functions of 0002_log.sql."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from guilder.kernel.ids import TenantId
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

# Channels of NOTIFY: rows were written (for the sequencer); positions were given (for consumers).
ANNOUNCED = "guilder_announced"
SEQUENCED = "guilder_sequenced"

# What only the audit hears: calls over HTTP, and changes of settings. Neither the feed nor webhooks tell of them.
PRIVATE_TOPICS = ("audit.calls", "audit.rows")
_PUBLIC = "topic <> all ('{" + ",".join(PRIVATE_TOPICS) + "}')"

# What definer functions raise when a cursor is not where it was.
MOVED_SQLSTATE = "GB001"

# A row of the log as it is carried about; payload as text, read by the codec.
COLUMNS = """topic, partition, position, tenant_id, key, event_id, name, version, payload, actor, request_id, traceparent,
             occurred_at, recorded_at"""


class Fresh(Struct, frozen=True):
    """A row to be written; the transaction knows the rest. `request_id`: to which request it answers."""

    topic: str
    tenant_id: TenantId
    key: UUID
    event_id: UUID
    name: str
    version: int
    payload: str
    occurred_at: datetime
    request_id: str | None = None


class Cursor(NamedTuple):
    """Where a group stands in one topic of a partition, and whether a parked message of it may be tried."""

    topic: str
    position: int
    epoch: int
    log_epoch: int
    has_due: bool
    rewritten: int = 0


class Ref(Struct, frozen=True):
    """Where a row lies, and whose it is."""

    topic: str
    position: int
    tenant_id: TenantId
    day: date
    id: int


class ParkedRef(NamedTuple):
    topic: str
    tenant_id: TenantId
    id: int


class Share(NamedTuple):
    """A group's work in one partition."""

    group: str
    partition: int


class Lag(NamedTuple):
    group: str
    behind: int
    parked: int
    dead: int


_FRESH = Columns(
    {
        "topic": "text",
        "tenant_id": "uuid",
        "key": "uuid",
        "event_id": "uuid",
        "name": "text",
        "version": "int",
        "payload": "jsonb",
        "occurred_at": "timestamptz",
        "traceparent": "text",
        "request_id": "text",
    },
    joined=("key", "event_id", "payload"),
)
_ACTOR = f"${len(_FRESH.kinds) + 1}"
# As platform.log_partition has it, which would be a query of its own for every row.
_PARTITION = """((get_byte(hash, 0)::bigint << 24 | get_byte(hash, 1) << 16 | get_byte(hash, 2) << 8 | get_byte(hash, 3))
                 % (select partitions from platform.log_settings))::smallint"""
_APPEND = f"""insert into platform.log (day, id, topic, partition, tenant_id, key, event_id, name, version, payload,
                              actor, request_id, traceparent, occurred_at, recorded_at)
    select (statement_timestamp() at time zone 'utc')::date, nextval('platform.log_ids'), topic,
           {_PARTITION}, tenant_id, key, event_id, name, version, payload,
           {_ACTOR}, request_id, traceparent, occurred_at, statement_timestamp()
      from (select *, sha256(uuid_send(key)) as hash from {_FRESH.table} order by nth) as fresh"""


async def append(tx: Tx, rows: Sequence[Fresh]) -> None:
    """Write rows in their order, by one statement; their numbers are drawn in it."""
    await tx.execute(
        _APPEND,
        *_FRESH.sent(
            [row.topic for row in rows],
            [row.tenant_id for row in rows],
            [row.key for row in rows],
            [row.event_id for row in rows],
            [row.name for row in rows],
            [row.version for row in rows],
            [row.payload for row in rows],
            [row.occurred_at for row in rows],
            [tx.trace_of(row.key) for row in rows] if tx.traces else [tx.traceparent] * len(rows),
            [row.request_id for row in rows],
        ),
        tx.actor,
    )


async def partitions(tx: Tx) -> int:
    return int(await tx.fetchval("select partitions from platform.log_settings"))


async def unsequenced(tx: Tx) -> list[int]:
    """Return the partitions that have rows without a position."""
    return [row[0] for row in await tx.fetch("select platform.log_unsequenced()")]


async def register(tx: Tx, group: str, patterns: Sequence[str], *, from_end: bool) -> None:
    await tx.execute("select platform.log_register($1, $2, $3)", group, patterns, from_end)


async def forget(tx: Tx, group: str) -> None:
    await tx.execute("select platform.log_forget($1)", group)


async def news(tx: Tx, groups: Sequence[str], *, now: datetime) -> list[Share]:
    """Return where these groups have something to do."""
    return [Share(*row) for row in await tx.fetch("select * from platform.log_news($1, $2) order by 2, 1", groups, now)]


async def claim(tx: Tx, group: str, partition: int, *, now: datetime) -> list[Cursor]:
    """Lock and return the group's cursors that have something before them and that nobody else holds."""
    rows = await tx.fetch("select * from platform.log_claim($1, $2, $3)", group, partition, now)
    return [Cursor(*row) for row in rows]


async def find(tx: Tx, partition: int, cursors: Sequence[Cursor], *, rows_max: int) -> list[Ref]:
    """Find what follows the cursors: a topic's rows in order, without a gap."""
    rows = await tx.fetch(
        "select * from platform.log_find($1, $2, $3, $4)",
        partition,
        [cursor.topic for cursor in cursors],
        [cursor.position for cursor in cursors],
        rows_max,
    )
    return [Ref(*row) for row in rows]


async def read(tx: Tx, refs: Sequence[Ref]) -> list[Row]:
    """Read the rows found, in their order; the transaction must see their tenants."""
    by_day: dict[date, list[int]] = {}
    for ref in refs:
        by_day.setdefault(ref.day, []).append(ref.id)
    found: dict[int, Row] = {}
    # A day at a time, nearly always the only one: a join over all days is planned a dozen times as slow.
    for day, ids in by_day.items():
        rows = await tx.fetch(f"select id, {COLUMNS} from platform.log where day = $1 and id = any ($2)", day, ids)
        found |= {row["id"]: row for row in rows}
    return [found[ref.id] for ref in refs if ref.id in found]


async def move(tx: Tx, group: str, partition: int, moves: Sequence[tuple[Cursor, int]], *, epoch: int) -> None:
    """Move cursors to new positions; PostgreSQL refuses it (MOVED_SQLSTATE) if one is not where it was read."""
    await tx.execute(
        "select platform.log_move($1, $2, $3, $4, $5, $6)",
        group,
        partition,
        [cursor.topic for cursor, _ in moves],
        [cursor.position for cursor, _ in moves],
        [position for _, position in moves],
        epoch,
    )


_ANY_BUSY = """select exists (select from platform.log_parked
                               where group_name = $1 and partition = any ($2) and (died_at is null or blocks))"""


async def busy_keys(tx: Tx, group: str, partitions: Sequence[int], rows: Iterable[Row]) -> set[tuple[str, UUID]]:
    """Return the (topic, key) pairs that have a message waiting, or a dead one that holds them."""
    # Asked of every batch, and nearly never is there any.
    if not await tx.fetchval(_ANY_BUSY, group, partitions):
        return set()
    wanted = list({(row["topic"], row["key"]) for row in rows})
    found = await tx.fetch(
        """select distinct topic, key
             from platform.log_parked join unnest($3::text[], $4::uuid[]) as w (topic, key) using (topic, key)
            where group_name = $1 and partition = any ($2) and (died_at is null or blocks)""",
        group,
        partitions,
        [topic for topic, _ in wanted],
        [key for _, key in wanted],
    )
    return {(row["topic"], row["key"]) for row in found}


async def park(
    tx: Tx, group: str, days: Iterable[date], ids: Sequence[int], *, due_at: datetime, now: datetime
) -> None:
    """Set rows of the log, which lie in these days, aside for this group, to be tried when due, in order per key."""
    for day in days:
        await tx.execute(
            f"""insert into platform.log_parked (group_name, id, {COLUMNS}, due_at, parked_at)
                select $1, id, {COLUMNS}, $4, $5 from platform.log where day = $2 and id = any ($3)""",
            group,
            day,
            ids,
            due_at,
            now,
        )


async def due(
    tx: Tx, group: str, partition: int, topics: Sequence[str], *, now: datetime, rows_max: int
) -> list[ParkedRef]:
    """Find parked messages that may be tried now, the first of its key first."""
    rows = await tx.fetch("select * from platform.log_due($1, $2, $3, $4, $5)", group, partition, topics, now, rows_max)
    return [ParkedRef(*row) for row in rows]


async def read_parked(tx: Tx, group: str, ids: Sequence[int]) -> list[Row]:
    return await tx.fetch(
        f"""select id, tries, {COLUMNS} from platform.log_parked
             where group_name = $1 and id = any ($2) order by topic, position""",
        group,
        ids,
    )


async def unpark(tx: Tx, group: str, ids: Sequence[int]) -> int:
    """Let handled messages go; return how many there still were."""
    return await tx.execute("delete from platform.log_parked where group_name = $1 and id = any ($2)", group, ids)


async def fail(
    tx: Tx,
    group: str,
    id_: int,
    *,
    tries: int,
    due_at: datetime,
    died_at: datetime | None,
    blocks: bool,
    reason: str,
    traceback: str,
) -> None:
    """Write down that a parked message failed again, and when it is tried next or that it is given up."""
    await tx.execute(
        """update platform.log_parked
              set tries = $3, due_at = $4, died_at = $5, blocks = $6, reason = $7, traceback = $8
            where group_name = $1 and id = $2""",
        group,
        id_,
        tries,
        due_at,
        died_at,
        blocks,
        reason,
        traceback,
    )


async def pending(tx: Tx, tenant_id: TenantId) -> int:
    """Count what of a tenant's is under way in the log; 0 is at rest."""
    return int(await tx.fetchval("select platform.log_pending($1)", tenant_id))


async def lag(tx: Tx) -> list[Lag]:
    return [Lag(*row) for row in await tx.fetch("select * from platform.log_lag() order by 1")]


async def begin_epoch(tx: Tx, *, with_cursors: bool) -> int:
    return int(await tx.fetchval("select platform.log_begin_epoch($1)", with_cursors))


async def add_days(tx: Tx, today: date, *, ahead: int) -> int:
    return int(await tx.fetchval("select platform.log_add_days($1, $2)", today, ahead))


async def drop_days(tx: Tx, keep_from: date) -> date | None:
    """Drop days that everyone has read; return the first one that somebody has not."""
    held: date | None = await tx.fetchval("select platform.log_drop_days($1)", keep_from)
    return held


async def dead(tx: Tx, *, group: str | None, limit: int, after: tuple[int, str] | None) -> list[Row]:
    return await tx.fetch(
        f"""select group_name, id, {COLUMNS}, tries, reason, traceback, blocks, died_at from platform.log_parked
             where died_at is not null and ($1::text is null or group_name = $1) and ($2::bigint is null or (id, group_name) < ($2, $3))
             order by id desc, group_name desc limit $4""",
        group,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )


async def dead_counts(tx: Tx) -> dict[str, int]:
    rows = await tx.fetch(
        "select group_name, count(*) from platform.log_parked where died_at is not null group by 1 order by 1"
    )
    return {row[0]: row[1] for row in rows}


async def revive(tx: Tx, *, group: str | None, ids: Sequence[int] | None, now: datetime) -> int:
    return await tx.execute(
        """update platform.log_parked set died_at = null, blocks = true, tries = 0, due_at = $3
            where died_at is not null and ($1::text is null or group_name = $1) and ($2::bigint[] is null or id = any ($2))""",
        group,
        ids,
        now,
    )


async def epoch(tx: Tx) -> int:
    return int(await tx.fetchval("select epoch from platform.log_epoch"))


async def feed(tx: Tx, tenant_id: TenantId, reached: Mapping[tuple[str, int], int], *, rows_max: int) -> list[Row]:
    """Read a tenant's rows beyond what a client has reached: of each topic and partition the very next ones."""
    return await tx.fetch(
        f"""select {COLUMNS}
              from (select n.*, max(n.id) over (partition by n.topic, n.partition order by n.position) as reach
                      from platform.log_heads h
                      left join unnest($2::text[], $3::smallint[], $4::bigint[]) as r (topic, partition, reached)
                           using (topic, partition)
                     cross join lateral (
                           select min(e.day) as first_day from platform.log_extents e
                            where e.topic = h.topic and e.partition = h.partition
                              and e.last_position > coalesce(r.reached, 0)) as x
                     cross join lateral (
                           select l.* from platform.log l
                            where l.tenant_id = $1 and l.topic = h.topic and l.partition = h.partition
                              and l.position > coalesce(r.reached, 0) and l.day >= x.first_day
                            order by l.position limit $5) as n
                     where h.position > coalesce(r.reached, 0) and h.{_PUBLIC}) as s
             order by reach, topic, partition, position
             limit $5""",
        tenant_id,
        [topic for topic, _ in reached],
        [partition for _, partition in reached],
        list(reached.values()),
        rows_max,
    )


async def heads(tx: Tx) -> list[Row]:
    """Return the last position given in each topic and partition."""
    return await tx.fetch("select topic, partition, position from platform.log_heads")


async def event(tx: Tx, tenant_id: TenantId, event_id: UUID) -> Row | None:
    """Find one event that has its position. It is looked for in the days about its id's date, and then in all.

    A sandbox's ids are dated by its own clock, its rows by the wall's.
    """
    named = f"select {COLUMNS} from platform.log where tenant_id = $1 and event_id = $2 and position is not null and {_PUBLIC}"
    # Capped: whoever asks may have made the id up, and 48 bits reach beyond the year 9999.
    dated = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(event_id.int >> 80, 2**45))).date()
    found = await tx.fetchrow(f"{named} and day between $3::date - 1 and $3::date + 1", tenant_id, event_id, dated)
    return found or await tx.fetchrow(named, tenant_id, event_id)
