"""All SQL about intents; the definer functions are in the migration."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from msgspec import Struct

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Row, Tx

_COLUMNS = "i.tenant_id, i.id, i.kind, i.destination, i.subject_id, i.at_step as step, i.attempts"

# Key by key: as plain joins these read all that waits of a tenant, or all that ever was, for each batch of it.
HELD = f"""
select {_COLUMNS}, i.fence, i.traceparent,
       exists (select from platform.held_tenants h where h.tenant_id = i.tenant_id) as is_held
  from (select * from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as m (tenant_id, id, fence)
         order by tenant_id, id) mine
 cross join lateral (select * from platform.intents
                      where (tenant_id, id, fence) = (mine.tenant_id, mine.id, mine.fence)
                        and state = 'waiting' and is_leased limit 1 for update) i"""
APPLY = """
update platform.intents i
   set state = n.state, at_step = n.step, attempts = n.attempts, is_leased = n.is_leased,
       due_at = clock_timestamp() + make_interval(secs => n.after_s), reason = n.reason, changed_at = clock_timestamp()
  from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::int[], $7::bool[], $8::float8[], $9::text[])
       as n (tenant_id, id, fence, state, step, attempts, is_leased, after_s, reason)
 cross join lateral (select ctid from platform.intents
                      where (tenant_id, id, fence) = (n.tenant_id, n.id, n.fence)
                        and state = 'waiting' and is_leased limit 1 for update) own
 where i.ctid = own.ctid"""

# An intent to be written: (id, tenant, kind, destination, subject, step, traceparent).
Fresh = tuple[UUID, TenantId, str, str, UUID, str, str | None]


class Claim(Struct, frozen=True):
    """A lease on one intent: whoever holds the highest fence holds it."""

    tenant_id: TenantId
    id: UUID
    fence: int


class Change(Struct, frozen=True, kw_only=True):
    """What an intent becomes; `is_leased` keeps the lease and starts it anew, `after_s` long."""

    claim: Claim
    state: str
    step: str
    attempts: int
    is_leased: bool
    after_s: float
    reason: str | None


async def insert(tx: Tx, rows: Sequence[Fresh], *, now: datetime, revive: bool) -> None:
    """Write intents; in order, so that twin batches wait and do not clash."""
    ids, tenants, kinds, destinations, subjects, steps, traces = zip(*rows, strict=True)
    conflict = (
        """do update set state = 'waiting', at_step = excluded.step, destination = excluded.destination, attempts = 0,
                         traceparent = coalesce(i.traceparent, excluded.traceparent),
                         reason = null, due_at = clock_timestamp(), changed_at = clock_timestamp()
                   where i.state <> 'waiting'"""
        if revive
        else "do nothing"
    )
    await tx.execute(
        f"""insert into platform.intents as i
                   (tenant_id, id, kind, destination, subject_id, step, at_step, traceparent, created_at)
            select distinct on (tenant_id, kind, subject_id, step)
                   tenant_id, id, kind, destination, subject_id, step, step, traceparent, $8
              from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
                as fresh (tenant_id, id, kind, destination, subject_id, step, traceparent)
             order by tenant_id, kind, subject_id, step
            on conflict (tenant_id, kind, subject_id, step) {conflict}""",
        tenants,
        ids,
        kinds,
        destinations,
        subjects,
        steps,
        traces,
        now,
    )


async def delete_untouched(tx: Tx, kind: str, subjects: Sequence[Ref]) -> list[Ref]:
    rows = await tx.fetch(
        """delete from platform.intents i using unnest($2::uuid[], $3::uuid[]) as wanted (tenant_id, subject_id)
            where i.kind = $1 and i.state = 'waiting' and i.fence = 0
              and (i.tenant_id, i.subject_id) = (wanted.tenant_id, wanted.subject_id)
           returning i.tenant_id, i.subject_id""",
        kind,
        *_columns(subjects),
    )
    return [Ref(TenantId(tenant), subject) for tenant, subject in rows]


async def trace_of(tx: Tx, kind: str, subject_id: UUID) -> str | None:
    sql = "select max(i.traceparent) from platform.intents i where i.kind = $1 and i.subject_id = $2"
    return cast("str | None", await tx.fetchval(sql, kind, subject_id))


async def find_one(tx: Tx, kind: str, subject_id: UUID) -> Row | None:
    return await tx.fetchrow(
        "select i.state, coalesce(i.reason, '') as reason from platform.intents i where kind = $1 and subject_id = $2",
        kind,
        subject_id,
    )


async def find_dead(tx: Tx, *, limit: int, after: UUID | None) -> list[Row]:
    return await tx.fetch(
        f"""select {_COLUMNS}, coalesce(i.reason, '') as reason, i.changed_at as since from platform.intents i
             where i.state = 'dead' and ($2::uuid is null or i.id < $2) order by i.id desc limit $1""",
        limit + 1,
        after,
    )


async def revive_dead(tx: Tx, refs: Sequence[Ref]) -> int:
    return await tx.execute(
        """update platform.intents i
              set state = 'waiting', attempts = 0, due_at = clock_timestamp(), changed_at = clock_timestamp()
             from unnest($1::uuid[], $2::uuid[]) as wanted (tenant_id, id)
            where (i.tenant_id, i.id) = (wanted.tenant_id, wanted.id) and i.state = 'dead'""",
        *_columns(refs),
    )


async def count_pending(tx: Tx, tenant_id: TenantId) -> int:
    return int(await tx.fetchval("select platform.intents_pending($1)", tenant_id))


async def purge(tx: Tx, *, older_than_days: int, limit: int) -> int:
    """Delete what has long been done; return how many. Repeat until 0."""
    sql = "select platform.purge_intents(make_interval(days => $1), $2)"
    return int(await tx.fetchval(sql, older_than_days, limit))


async def destinations(tx: Tx, kinds: Sequence[str]) -> list[str]:
    """Name the destinations where something of these kinds can be called now."""
    rows = await tx.fetch("select * from platform.intent_destinations($1)", kinds)
    return [row[0] for row in rows]


async def claim(tx: Tx, destination: str, leases_s: Mapping[str, float], *, limit: int) -> list[Claim]:
    """Lease what is due of these kinds, each for as long as its kind says."""
    rows = await tx.fetch(
        "select tenant_id, id, fence from platform.claim_intents($1, $2::text[], $3::float8[], $4)",
        destination,
        list(leases_s),
        list(leases_s.values()),
        limit,
    )
    return [Claim(TenantId(row[0]), row[1], row[2]) for row in rows]


async def draw(tx: Tx, destination: str, *, wanted: int = 0, owed: int = 0) -> tuple[int, float, bool]:
    """Draw for calls: how many may go out, after how long it is worth asking again, and whether anybody keeps a pace."""
    row = await tx.fetchrow(
        "select granted, wait_s, is_paced from platform.draw_pace($1, $2, $3)", destination, wanted, owed
    )
    assert row is not None
    return row["granted"], row["wait_s"], row["is_paced"]


async def find_pace(tx: Tx, tenant_id: TenantId, destination: str) -> Row | None:
    """Read a pace as it is now: its share has come back since somebody last drew."""
    return await tx.fetchrow(
        """select per_second, case when paused_until > clock_timestamp() then paused_until end as paused_until,
                  least(1, share + greatest(extract(epoch from clock_timestamp() - drawn_at), 0) * 0.01) as share
             from platform.paces where tenant_id = $1 and destination = $2""",
        tenant_id,
        destination,
    )


async def set_pace(tx: Tx, tenant_id: TenantId, destination: str, per_second: float | None) -> None:
    await tx.execute(
        """insert into platform.paces (tenant_id, destination, per_second) values ($1, $2, $3)
           on conflict (tenant_id, destination) do update
              set per_second = excluded.per_second, free = least(platform.paces.free, 1)""",
        tenant_id,
        destination,
        per_second,
    )


async def slow_down(tx: Tx, tenant_id: TenantId, destination: str, *, pause_s: float) -> None:
    """Pause a destination, and halve its share unless that was done a second ago."""
    await tx.execute(
        """insert into platform.paces as p (tenant_id, destination, share, slowed_at, paused_until)
           values ($1, $2, 0.5, clock_timestamp(), clock_timestamp() + make_interval(secs => $3))
           on conflict (tenant_id, destination) do update
              set share = case when p.slowed_at > clock_timestamp() - interval '1 second' then p.share
                               else greatest(p.share / 2, 0.02) end,
                  slowed_at = case when p.slowed_at > clock_timestamp() - interval '1 second' then p.slowed_at
                                   else clock_timestamp() end,
                  paused_until = greatest(p.paused_until, excluded.paused_until)""",
        tenant_id,
        destination,
        pause_s,
    )


async def held(tx: Tx, claims: Sequence[Claim]) -> list[Row]:
    """Lock and read the intents whose lease is still ours; whoever is missing was taken over."""
    return await tx.fetch(HELD, *_claimed(claims))


async def apply(tx: Tx, changes: Sequence[Change]) -> int:
    """Write what the intents become, where the lease is still ours; return how many were."""
    return await tx.execute(
        APPLY,
        *_claimed([change.claim for change in changes]),
        [change.state for change in changes],
        [change.step for change in changes],
        [change.attempts for change in changes],
        [change.is_leased for change in changes],
        [change.after_s for change in changes],
        [change.reason for change in changes],
    )


def _claimed(claims: Iterable[Claim]) -> tuple[list[Any], list[Any], list[Any]]:
    listed = list(claims)
    return [c.tenant_id for c in listed], [c.id for c in listed], [c.fence for c in listed]


def _columns(refs: Iterable[Ref]) -> tuple[list[TenantId], list[UUID]]:
    listed = list(refs)
    return [ref.tenant_id for ref in listed], [ref.id for ref in listed]
