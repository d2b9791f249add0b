"""All SQL of the scheduler: what is due by the rooms' own find functions, what failed, when a chore was last done."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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


async def with_something_due(tx: Tx, jobs: Sequence[Job], at: Mapping[TenantId, datetime]) -> list[TenantId]:
    """Return those of whom any job's find function finds something, each at an instant of its own."""
    if not jobs or not at:
        return []
    finds = " or ".join(f"exists (select from {job.find}(asked.tenant_id, asked.moment, 1))" for job in jobs)
    rows = await tx.fetch(
        f"""select asked.tenant_id from unnest($1::uuid[], $2::timestamptz[]) as asked (tenant_id, moment)
             where {finds} order by asked.tenant_id""",
        list(at),
        list(at.values()),
    )
    return [TenantId(row["tenant_id"]) for row in rows]


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


async def failures(tx: Tx, tenant_id: TenantId | None, *, job: str | None = None) -> Asides:
    """Read which rows failed lately, of one job or of all."""
    found: defaultdict[str, dict[Ref, bool]] = defaultdict(dict)
    rows = await tx.fetch(
        """select job, tenant_id, row_id, is_aside from platform.job_failures_of($1)
            where $2::text is null or job = $2""",
        tenant_id,
        job,
    )
    for of_job, tenant, row_id, is_aside in rows:
        found[of_job][Ref(TenantId(tenant), row_id)] = is_aside
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


async def note_done(tx: Tx, job: str, done: Mapping[TenantId, int]) -> None:
    """Note what a batch did of whose, in its own transaction."""
    await tx.execute(
        """insert into platform.job_batches (tenant_id, job, done)
           select tenant_id, $1, done from unnest($2::uuid[], $3::int[]) as f (tenant_id, done)""",
        job,
        list(done),
        list(done.values()),
    )


async def forget_done(tx: Tx, *, before: datetime, limit: int) -> int:
    return int(await tx.fetchval("select platform.forget_job_batches($1, $2)", before, limit))


async def count_due(tx: Tx, job: Job, *, now: datetime, limit: int) -> tuple[datetime, dict[TenantId, int]]:
    """Count what is due of each tenant on the wall clock, up to `limit` in all; and say as of when, by the database."""
    rows = await tx.fetch(
        f"""select transaction_timestamp() as at, f.tenant_id, count(*)::int as due
              from {job.find}(null, $1::timestamptz, {limit:d}) f group by f.tenant_id""",
        now,
    )
    return (rows[0]["at"] if rows else now), {TenantId(row["tenant_id"]): row["due"] for row in rows}


async def note_look(tx: Tx, job: str, due: Mapping[TenantId, int], *, is_least: bool, looked_at: datetime) -> None:
    await tx.execute(
        """insert into platform.job_looks as l (tenant_id, job, due, is_least, looked_at)
           select tenant_id, $1, due, $4, $5 from unnest($2::uuid[], $3::int[]) as f (tenant_id, due)
            order by tenant_id
           on conflict (tenant_id, job) do update
              set due = excluded.due, is_least = excluded.is_least, looked_at = excluded.looked_at
            where l.looked_at < excluded.looked_at""",
        job,
        list(due),
        list(due.values()),
        is_least,
        looked_at,
    )


_RUNS = """
with recent as (
    select b.tenant_id, b.job, b.began_at, b.ended_at, b.done,
           b.began_at - max(b.ended_at) over before > $1::interval as is_first
      from platform.job_batches b
     where b.ended_at > clock_timestamp() - $3::interval
    window before as (partition by b.tenant_id, b.job order by b.ended_at, b.id
                      rows between unbounded preceding and 1 preceding)
), begun as (
    select tenant_id, job, coalesce(max(began_at) filter (where is_first), min(began_at)) as began_at
      from recent group by tenant_id, job
), made as (
    select r.tenant_id, r.job, g.began_at, max(r.ended_at) as last_at, sum(r.done)::int as done,
           coalesce(sum(r.done) filter (where r.ended_at > clock_timestamp() - $2::interval), 0)::int as lately
      from begun g join recent r on r.tenant_id = g.tenant_id and r.job = g.job and r.ended_at >= g.began_at
     group by r.tenant_id, r.job, g.began_at
), looks as (
    select l.tenant_id, l.job, l.is_least,
           greatest(l.due - coalesce((select sum(b.done) from platform.job_batches b
                                       where b.tenant_id = l.tenant_id and b.job = l.job
                                         and b.ended_at > l.looked_at), 0), 0)::int as left
      from platform.job_looks l where l.looked_at > clock_timestamp() - $4::interval
)
select tenant_id, job, m.began_at, m.last_at, coalesce(m.done, 0) as done, coalesce(m.lately, 0) as lately,
       l.left, coalesce(l.is_least, false) as is_least, clock_timestamp() as seen_at,
       (select count(*) from platform.job_failures f
         where f.tenant_id = coalesce(m.tenant_id, l.tenant_id) and f.job = coalesce(m.job, l.job))::int as failing
  from made m full join looks l using (tenant_id, job)
 order by coalesce(l.left, 0) desc, m.last_at desc nulls last, tenant_id, job limit $5
"""


async def runs(
    tx: Tx, *, pause: timedelta, lately: timedelta, back: timedelta, stale: timedelta, limit: int
) -> list[Row]:
    return await tx.fetch(_RUNS, pause, lately, back, stale, limit)


_PATIENCE = ["idle_in_transaction_session_timeout", "transaction_timeout"]  # the second since PostgreSQL 17


async def begin_chore(tx: Tx, name: str, *, every_s: float) -> bool:
    """Take a chore for as long as this transaction is open; False where it is not due yet or another node has it."""
    if not await tx.fetchval("select pg_try_advisory_xact_lock(hashtextextended('chore:' || $1, 0))", name):
        return False
    ran_lately = await tx.fetchval(
        """select ran_at > clock_timestamp() - make_interval(secs => $2) from platform.chores where name = $1""",
        name,
        every_s,
    )
    if ran_lately:
        return False
    # It stays open for as long as the chore takes, and does nothing meanwhile: no server's patience with that is its end.
    await tx.execute(
        "select set_config(s.name, '0', true) from pg_settings s where s.name = any ($1::text[])", _PATIENCE
    )
    return True


async def end_chore(tx: Tx, name: str) -> None:
    await tx.execute(
        """insert into platform.chores (name, ran_at) values ($1, clock_timestamp())
           on conflict (name) do update set ran_at = excluded.ran_at""",
        name,
    )
