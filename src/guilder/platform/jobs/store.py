"""All SQL of the scheduler: what is due by the rooms' own find functions, what failed, when a chore was last done."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.jobs.timetable import Due, Job

Asides = Mapping[str, Mapping[Ref, bool]]
"""By job: the rows that failed lately, and whether each is still pushed aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailure:
    """A due row that failed when it was done alone, why, and when it is tried again (wall clock)."""

    tenant_id: TenantId
    job: str
    row_id: UUID
    attempts: int
    reason: str
    first_failed_at: datetime
    retry_at: datetime


async def due(
    tx: Tx, jobs: Sequence[Job], *, tenant_id: TenantId | None, now: datetime | None, limits: Sequence[int]
) -> list[Due]:
    """Ask every job's find function at once; in order of due_at, then of the timetable. `now` None: whenever it is."""
    moment = "'infinity'::timestamptz" if now is None else "$2::timestamptz"
    finds = [
        f"""(select {place} as place, f.tenant_id, f.id, f.due_at from {job.find}($1::uuid, {moment}, {limit:d}) as f)"""
        for place, (job, limit) in enumerate(zip(jobs, limits, strict=True))
    ]
    if not finds:
        return []
    values: list[object] = [tenant_id] if now is None else [tenant_id, now]
    rows = await tx.fetch(" union all ".join(finds) + " order by due_at, place", *values)
    return [Due(jobs[row["place"]].name, Ref(TenantId(row["tenant_id"]), row["id"]), row["due_at"]) for row in rows]


async def tenants_after(tx: Tx, function: str, after: TenantId | None, *, limit: int) -> list[TenantId]:
    rows = await tx.fetch(f"select tenant_id from {function}($1::uuid, {limit:d}) order by tenant_id", after)
    return [TenantId(row["tenant_id"]) for row in rows]


async def due_of_each(
    tx: Tx, job: Job, tenants: Sequence[TenantId], *, asides: Mapping[TenantId, int], limit: int, now: datetime
) -> list[Due]:
    """Ask a job's find function tenant by tenant: `limit` in equal shares between those that have something due."""
    rows = await tx.fetch(
        f"""with busy as materialized (
                select a.tenant_id, a.aside from unnest($1::uuid[], $2::int[]) as a (tenant_id, aside)
                 where exists (select from {job.find}(a.tenant_id, $3::timestamptz, 1))
            ), share as (select ceil({limit:d}::numeric / count(*))::int as each from busy having count(*) > 0)
            select f.tenant_id, f.id, f.due_at
              from busy b cross join share s cross join lateral {job.find}(b.tenant_id, $3::timestamptz, s.each + b.aside) f""",
        tenants,
        [asides.get(tenant, 0) for tenant in tenants],
        now,
    )
    return [Due(job.name, Ref(TenantId(row["tenant_id"]), row["id"]), row["due_at"]) for row in rows]


async def failures(tx: Tx, tenant_id: TenantId | None) -> Asides:
    found: defaultdict[str, dict[Ref, bool]] = defaultdict(dict)
    rows = await tx.fetch("select job, tenant_id, row_id, is_aside from platform.job_failures_of($1)", tenant_id)
    for job, tenant, row_id, is_aside in rows:
        found[job][Ref(TenantId(tenant), row_id)] = is_aside
    return found


async def push_aside(tx: Tx, job: str, ref: Ref, *, reason: str, first_s: float, max_s: float) -> int:
    """Note a failure and when to try again (doubling from `first_s`); return how often it has failed now."""
    return int(
        await tx.fetchval(
            """insert into platform.job_failures as f (tenant_id, job, row_id, reason, retry_at)
               values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
               on conflict (tenant_id, job, row_id) do update
                  set attempts = f.attempts + 1, reason = excluded.reason,
                      retry_at = clock_timestamp()
                                 + make_interval(secs => least($5 * 2 ^ least(f.attempts, 30), $6::float8))
               returning attempts""",
            ref.tenant_id,
            job,
            ref.id,
            reason,
            first_s,
            max_s,
        )
    )


async def clear(tx: Tx, job: str, refs: Sequence[Ref]) -> None:
    await tx.execute(
        """delete from platform.job_failures f using unnest($2::uuid[], $3::uuid[]) as wanted (tenant_id, row_id)
            where f.job = $1 and (f.tenant_id, f.row_id) = (wanted.tenant_id, wanted.row_id)""",
        job,
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )


async def list_failures(tx: Tx, page: PageQuery) -> list[Row]:
    return await tx.fetch(
        """select tenant_id, job, row_id, attempts, reason, first_failed_at, retry_at from platform.job_failures
            where $2::uuid is null or row_id < $2 order by row_id desc, job limit $1""",
        page.limit + 1,
        page.after,
    )


async def under_way(tx: Tx, tenant_id: TenantId, functions: Sequence[str]) -> list[int]:
    """Ask each function how much of a tenant's is under way, all of them about the same instant."""
    if not functions:
        return []
    asked = ", ".join(f"{function}($1)" for function in functions)
    row = await tx.fetchrow(f"select {asked}", tenant_id)
    return list(row or ())


async def begin_chore(tx: Tx, name: str, *, every_s: float) -> bool:
    """Take a chore for as long as this transaction is open; False where it is not due yet or another node has it."""
    if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtextextended('chore:' || $1, 0))", name):
        return False
    ran_lately = await tx.fetchval(
        """select ran_at > clock_timestamp() - make_interval(secs => $2) from platform.chores where name = $1""",
        name,
        every_s,
    )
    return not ran_lately


async def end_chore(tx: Tx, name: str) -> None:
    await tx.execute(
        """insert into platform.chores (name, ran_at) values ($1, clock_timestamp())
           on conflict (name) do update set ran_at = excluded.ran_at""",
        name,
    )
