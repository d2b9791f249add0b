"""Chains: locked at their heads, added to in batches, read in the order of their numbers."""

from collections.abc import Sequence
from datetime import date, datetime

from guilder.domain.audit.model import BEGINNING, Chain, Class, Entry, Head, Place, Record
from guilder.kernel.ids import TenantId
from guilder.platform.db.columns import Columns
from guilder.platform.db.tx import Row, Tx

_RECORD = Columns(
    {
        "tenant_id": "uuid",
        "class": "text",
        "month": "date",
        "partition": "smallint",
        "seq": "bigint",
        "id": "uuid",
        "at": "timestamptz",
        "recorded_at": "timestamptz",
        "actor": "text",
        "action": "text",
        "version": "int",
        "object_kind": "text",
        "object_id": "uuid",
        "customer_id": "uuid",
        "request_id": "text",
        "sealed_reason": "bytea",
        "payload": "text",
        "traceparent": "text",
        "checks": "bytea",
        "previous_hash": "bytea",
        "hash": "bytea",
    }
)
COLUMNS = _RECORD.names
_NAMED = "(tenant_id, partition) in (select * from unnest($1::uuid[], $2::smallint[]))"


async def lock_heads(tx: Tx, chains: Sequence[Chain]) -> dict[Chain, Head]:
    """Lock where chains end, in one order for all; those that have not begun are not among them."""
    rows = await tx.fetch(
        f"""select tenant_id, partition, class, month, seq, hash from audit.heads where {_NAMED}
             order by tenant_id, partition for update""",
        [chain.tenant_id for chain in chains],
        [chain.partition for chain in chains],
    )
    return {head.chain: head for head in map(_head, rows)}


async def begin(tx: Tx, chains: Sequence[tuple[Chain, Class]], *, month: date) -> None:
    """Begin chains; whoever else begins them meanwhile is waited for."""
    await tx.execute(
        """insert into audit.heads (tenant_id, partition, class, month, seq, hash)
           select tenant_id, partition, class, $4, 0, $5
             from unnest($1::uuid[], $2::smallint[], $3::text[]) as fresh (tenant_id, partition, class)
            order by tenant_id, partition
           on conflict (tenant_id, partition) do nothing""",
        [chain.tenant_id for chain, _ in chains],
        [chain.partition for chain, _ in chains],
        [kind.value for _, kind in chains],
        month,
        BEGINNING.hash,
    )


async def move_heads(tx: Tx, heads: Sequence[Head]) -> None:
    await tx.execute(
        """update audit.heads h set month = m.month, seq = m.seq, hash = m.hash, changed_at = default
             from unnest($1::uuid[], $2::smallint[], $3::date[], $4::bigint[], $5::bytea[])
                  as m (tenant_id, partition, month, seq, hash)
            where (h.tenant_id, h.partition) = (m.tenant_id, m.partition)""",
        [head.chain.tenant_id for head in heads],
        [head.chain.partition for head in heads],
        [head.month for head in heads],
        [head.place.seq for head in heads],
        [head.place.hash for head in heads],
    )


async def insert(tx: Tx, records: Sequence[Record]) -> None:
    entries = [record.entry for record in records]
    await tx.execute(
        f"insert into audit.records ({COLUMNS}) select {COLUMNS} from {_RECORD.table}",
        *_RECORD.sent(
            [entry.tenant_id for entry in entries],
            [record.kept_as for record in records],
            [record.month for record in records],
            [entry.partition for entry in entries],
            [record.seq for record in records],
            [entry.id for entry in entries],
            [entry.at for entry in entries],
            [entry.recorded_at for entry in entries],
            [entry.actor for entry in entries],
            [entry.action for entry in entries],
            [entry.version for entry in entries],
            [entry.object_kind for entry in entries],
            [entry.object_id for entry in entries],
            [entry.customer_id for entry in entries],
            [entry.request_id for entry in entries],
            [entry.sealed_reason for entry in entries],
            [entry.payload for entry in entries],
            [entry.traceparent for entry in entries],
            [record.checks for record in records],
            [record.previous_hash for record in records],
            [record.hash for record in records],
        ),
    )


async def chains(tx: Tx, tenant_id: TenantId | None) -> list[Chain]:
    """Return every chain that has a head, records or a closing, of one tenant or of all."""
    rows = await tx.fetch(
        """select tenant_id, partition from audit.heads where $1::uuid is null or tenant_id = $1
           union select tenant_id, partition from audit.records where $1::uuid is null or tenant_id = $1
           union select tenant_id, partition from audit.closings where $1::uuid is null or tenant_id = $1
           order by 1, 2""",
        tenant_id,
    )
    return [Chain(TenantId(row["tenant_id"]), row["partition"]) for row in rows]


async def head(tx: Tx, chain: Chain) -> Place | None:
    row = await tx.fetchrow("select seq, hash from audit.heads where (tenant_id, partition) = ($1, $2)", *chain)
    return None if row is None else Place(row["seq"], row["hash"])


async def start(tx: Tx, chain: Chain) -> Place:
    """Return where what was dropped of a chain ended."""
    row = await tx.fetchrow(
        """select last_seq, last_hash from audit.closings where (tenant_id, partition) = ($1, $2)
            order by last_seq desc limit 1""",
        *chain,
    )
    return BEGINNING if row is None else Place(row["last_seq"], row["last_hash"])


async def walk(tx: Tx, chain: Chain, *, start: Place, after: Record | None, limit: int) -> list[Record]:
    """Read the next records of a chain beyond its start, by number; two of one number come one after the other."""
    rows = await tx.fetch(
        f"""select {COLUMNS} from audit.records
             where tenant_id = $1 and partition = $2 and seq > $3
               and ($4::bigint is null or (seq, class, month) > ($4, $5, $6::date)) and ($4::bigint is null or seq >= $4)
             order by seq, class, month limit $7""",
        chain.tenant_id,
        chain.partition,
        start.seq,
        after.seq if after else None,
        after.kept_as if after else None,
        after.month if after else None,
        limit,
    )
    return [to_record(row) for row in rows]


async def before(tx: Tx, chain: Chain, start: Place) -> list[Record]:
    """Return one of the records that are said to have been dropped, or were never numbered, and are there."""
    rows = await tx.fetch(
        f"select {COLUMNS} from audit.records where tenant_id = $1 and partition = $2 and seq <= $3 order by seq limit 1",
        chain.tenant_id,
        chain.partition,
        start.seq,
    )
    return [to_record(row) for row in rows]


async def add_months(tx: Tx, today: date, *, ahead: int) -> int:
    return int(await tx.fetchval("select audit.add_months($1, $2)", today, ahead))


async def drop_months(tx: Tx, kind: Class, before: date) -> int:
    return int(await tx.fetchval("select audit.drop_months($1, $2)", kind.value, before))


async def heads_since(tx: Tx, since: datetime) -> list[tuple[Chain, Place]]:
    """Return where the chains of businesses end that grew since, of every tenant."""
    rows = await tx.fetch("select tenant_id, partition, seq, hash from audit.heads_since($1)", since)
    return [(Chain(TenantId(row[0]), row[1]), Place(row[2], row[3])) for row in rows]


def to_record(row: Row) -> Record:
    entry = Entry(
        tenant_id=TenantId(row["tenant_id"]),
        partition=row["partition"],
        id=row["id"],
        at=row["at"],
        recorded_at=row["recorded_at"],
        actor=row["actor"],
        action=row["action"],
        version=row["version"],
        object_kind=row["object_kind"],
        object_id=row["object_id"],
        customer_id=row["customer_id"],
        request_id=row["request_id"],
        sealed_reason=row["sealed_reason"],
        payload=row["payload"],
        traceparent=row["traceparent"],
    )
    return Record(
        entry=entry,
        kept_as=row["class"],
        month=row["month"],
        seq=row["seq"],
        checks=row["checks"],
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )


def _head(row: Row) -> Head:
    return Head(
        chain=Chain(TenantId(row["tenant_id"]), row["partition"]),
        kept_as=Class(row["class"]),
        month=row["month"],
        place=Place(row["seq"], row["hash"]),
    )
