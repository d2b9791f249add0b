"""The SQL of watermarks, and of what came after them. Whoever writes readings shares the row; whoever bills has it alone.

PostgreSQL lets who shares a row in past who waits to have it alone: under a steady stream of readings a bill would wait
for ever. So before each row stands a gate, an advisory lock, which queues fairly: who bills shuts it until the end of the
transaction, who counts only walks through. Nothing depends on it but who goes first.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from guilder.domain.usage.model import LateAsked, LateUse
from guilder.domain.usage.store.rows import split
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx

_OPEN = datetime(1970, 1, 1, tzinfo=UTC)  # nothing has been billed


async def share(tx: Tx, customers: Sequence[Ref]) -> dict[Ref, datetime]:
    """Hold the customers' watermarks shared, until the transaction ends; return up to when each is closed."""
    wanted = sorted(set(customers))
    await _walk_through(tx, wanted)
    found = await _held(tx, wanted, "for share")
    missing = [ref for ref in wanted if ref not in found]
    if missing:
        await _make(tx, missing)
        found |= await _held(tx, missing, "for share")
    return found


async def hold(tx: Tx, customers: Sequence[Ref]) -> None:
    """Hold the customers' watermarks alone: nothing of theirs is being counted, and nothing will be until the end."""
    wanted = sorted(set(customers))
    await _shut(tx, wanted)
    await _make(tx, wanted)
    await _held(tx, wanted, "for update")


async def close(tx: Tx, until: Mapping[Ref, datetime]) -> None:
    """Move watermarks forward, never back; held alone from here on, moved or not."""
    refs = sorted(until)
    await _shut(tx, refs)
    await tx.execute(
        """insert into usage.watermarks as w (tenant_id, customer_id, closed_until)
           select n.tenant_id, n.customer_id, n.closed_until
             from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as n (tenant_id, customer_id, closed_until)
            order by n.tenant_id, n.customer_id
           on conflict (tenant_id, customer_id)
           do update set closed_until = greatest(w.closed_until, excluded.closed_until)""",
        *split(refs),
        [until[ref] for ref in refs],
    )


async def add_late(tx: Tx, late: Sequence[tuple[Ref, UUID, datetime]]) -> None:
    """Write down what came late: customer, meter, instant."""
    if not late:
        return
    await tx.execute(
        """insert into usage.late (tenant_id, customer_id, meter_id, at)
           select n.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) as n""",
        [ref.tenant_id for ref, _, _ in late],
        [ref.id for ref, _, _ in late],
        [meter_id for _, meter_id, _ in late],
        [at for _, _, at in late],
    )


async def late_since(tx: Tx, asked: Sequence[LateAsked]) -> list[tuple[LateUse, ...]]:
    rows = await tx.fetch(
        """select q.ordinal, l.id, l.meter_id, l.at
             from unnest($1::uuid[], $2::uuid[], $3::bigint[]) with ordinality
                  as q (tenant_id, customer_id, after, ordinal)
             join usage.late l on l.tenant_id = q.tenant_id and l.customer_id = q.customer_id and l.id > q.after
            order by q.ordinal, l.id""",
        [each.tenant_id for each in asked],
        [each.customer_id for each in asked],
        [each.after for each in asked],
    )
    found: list[list[LateUse]] = [[] for _ in asked]
    for row in rows:
        found[row["ordinal"] - 1].append(LateUse(number=row["id"], meter_id=row["meter_id"], at=row["at"]))
    return [tuple(each) for each in found]


_GATES = """(select distinct hashtextextended(n.tenant_id::text || n.customer_id::text, 23) as gate
                  from unnest($1::uuid[], $2::uuid[]) as n (tenant_id, customer_id) order by 1) g"""


async def _walk_through(tx: Tx, customers: Sequence[Ref]) -> None:
    # Held one at a time and for no longer than the statement, so that a batch of any size needs one place for a lock.
    await tx.execute(
        f"select pg_advisory_lock_shared(g.gate), pg_advisory_unlock_shared(g.gate) from {_GATES}", *split(customers)
    )


async def _shut(tx: Tx, customers: Sequence[Ref]) -> None:
    await tx.execute(f"select pg_advisory_xact_lock(g.gate) from {_GATES}", *split(customers))


async def _make(tx: Tx, customers: Sequence[Ref]) -> None:
    await tx.execute(
        """insert into usage.watermarks (tenant_id, customer_id, closed_until)
           select n.tenant_id, n.customer_id, $3
             from unnest($1::uuid[], $2::uuid[]) as n (tenant_id, customer_id)
            order by n.tenant_id, n.customer_id
           on conflict do nothing""",
        *split(customers),
        _OPEN,
    )


async def _held(tx: Tx, customers: Sequence[Ref], strength: str) -> dict[Ref, datetime]:
    rows = await tx.fetch(
        f"""select tenant_id, customer_id, closed_until from usage.watermarks
             where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))
             order by tenant_id, customer_id {strength}""",
        *split(customers),
    )
    return {Ref(TenantId(row["tenant_id"]), row["customer_id"]): row["closed_until"] for row in rows}
