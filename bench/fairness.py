"""What it costs to share a batch between tenants, where one of them has a million due; and who waits how long.

    python bench/fairness.py [due] [tenants] [looks]        (1,000,000, 100 and 15)

On a durable server of its own (fsync on): one tenant with so many subscriptions due, ten more of another's that fell due
last, and so many tenants with nothing due. Each look is the very one of the scheduler, in a transaction of its own, as
the role of the application; medians of wall time. The yardstick is the finder that it replaced (`subscriptions.due` as of
migration 0016), made anew in the same run under another name. Right means: both find what fell due first, and the ten are
in the first batch.
"""

import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

from _server import Admin, Wrong, a_server, refusing_what_is_wrong, write_down

from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform.clock import HandClock
from guilder.platform.db.database import Database
from guilder.platform.jobs import store
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Job, Timetable
from guilder.wiring.timetable import JOBS, TENANTS

DUE = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
OTHERS = int(sys.argv[2]) if len(sys.argv) > 2 else 100
LOOKS = int(sys.argv[3]) if len(sys.argv) > 3 else 15
FEW = 10
NOW = datetime.now(UTC).replace(microsecond=0)
BIG, SMALL, SANDBOX = (TenantId(ids.new(NOW)) for _ in range(3))
JOB = next(job for job in JOBS if job.name == "invoicing.bill_due")

BEFORE = """
create function subscriptions.due_before(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select s.tenant_id, s.id, s.next_due_at
        from subscriptions.subscriptions s
        join identity.tenants t on t.tenant_id = s.tenant_id
        where s.next_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else s.tenant_id = p_tenant end
        order by s.next_due_at limit p_limit
    $$;
grant execute on function subscriptions.due_before(uuid, timestamptz, int) to guilder_app;
"""
INDEX = """create index subscriptions_due_of_tenant on subscriptions.subscriptions (tenant_id, next_due_at)
            where next_due_at is not null"""
_TENANT = """
insert into identity.tenants (tenant_id, name, slug, mode, status, time_zone, root_id, created_at)
select t, 'Bench', 'bench-' || t, $2, 'active', 'UTC', t, $3 from unnest($1::uuid[]) t
"""
_SUBSCRIPTIONS = """
insert into subscriptions.subscriptions (tenant_id, id, customer_id, organization_id, status, terms, plan_id, currency,
       anchor_at, time_zone, period_number, current_period_start, current_period_end, cancel_at_period_end, next_due_at,
       metadata, created_at, pause_at_period_end, starts_at)
select $1, gen_random_uuid(), gen_random_uuid(), 'org_' || n, 'active', '{}', gen_random_uuid(), 'EUR', $2, 'UTC', 0,
       $2::timestamptz - interval '1 month', $2, false, $2::timestamptz + make_interval(secs => n * $4::float8 / $3),
       '{}', $2, false, $2
  from generate_series(1, $3::int) n
"""


async def fill(admin: Admin) -> None:
    """Write the cohorts set-based, without the guards: nothing is billed here."""
    await admin.execute(BEFORE)
    await admin.execute("drop index subscriptions.subscriptions_due_of_tenant")
    await admin.execute("set session_replication_role = replica")
    await admin.execute(_TENANT, [BIG, SMALL], "test", NOW)
    await admin.execute(_TENANT, [SANDBOX], "sandbox", NOW)
    await admin.execute(_SUBSCRIPTIONS, BIG, NOW - timedelta(hours=10), DUE, 3_600.0, timeout=600)
    await admin.execute(_SUBSCRIPTIONS, SMALL, NOW - timedelta(hours=1), FEW, 60.0)
    await admin.execute(_SUBSCRIPTIONS, SANDBOX, NOW + timedelta(days=30), FEW, 60.0)
    await admin.execute("set session_replication_role = origin")
    await admin.execute("vacuum analyze subscriptions.subscriptions", timeout=600)
    await admin.execute("analyze identity.tenants")


async def took(look: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    """Return milliseconds of wall time: the median and the worst of twenty of a look that was made once before."""
    await look()
    times = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        await look()
        times.append((time.perf_counter() - began) * 1_000)
    return {"median_ms": round(median(times), 3), "p95_ms": round(quantiles(times, n=20)[-1], 3)}


def finds(database: Database, job: Job, *, tenant_id: TenantId | None, limit: int) -> Callable[[], Awaitable[Any]]:
    async def find() -> list[Any]:
        async with database.transaction(actor="bench") as tx:
            # As the time machine asks a sandbox: whenever it is due.
            now = None if tenant_id == SANDBOX else NOW
            return await store.due(tx, [job], tenant_id=tenant_id, now=now, limits=[limit])

    return find


def looks(database: Database, *, shared: bool) -> Callable[[], Awaitable[Any]]:
    scheduler = Scheduler(database, Timetable([JOB]), clock=HandClock(NOW), tenants=TENANTS if shared else None)
    return lambda: scheduler.find(JOB, now=NOW)


async def measure(database: Database, admin: Admin) -> dict[str, Any]:
    before = replace(JOB, find="subscriptions.due_before")
    full = JOB.batch_max * JOB.at_once
    asked = {
        "a batch, first by time": (None, full),
        "a few of one tenant's": (SMALL, full),
        "a sandbox's next": (SANDBOX, 1),
    }
    figures: dict[str, Any] = {}
    for job, when in ((before, "as it was"), (JOB, "as it is")):
        for what, (tenant_id, limit) in asked.items():
            figures[f"{what}, {when}"] = await took(finds(database, job, tenant_id=tenant_id, limit=limit))
        if job is before:
            await admin.execute(INDEX)
    await check(database)
    figures |= {
        "a look that shares nothing": await took(looks(database, shared=False)),
        "a look that shares, two tenants": await took(looks(database, shared=True)),
    }
    others = [TenantId(each) for each in ids.new_many(NOW, OTHERS - 2)]
    await admin.execute(_TENANT, others, "test", NOW)
    await admin.execute("analyze identity.tenants")
    figures[f"a look that shares, {OTHERS:,} tenants, two busy"] = await took(looks(database, shared=True))
    await admin.execute("set session_replication_role = replica")
    for other in others:
        await admin.execute(_SUBSCRIPTIONS, other, NOW - timedelta(hours=1), FEW, 60.0)
    await admin.execute("set session_replication_role = origin")
    figures[f"a look that shares, {OTHERS:,} tenants, all busy"] = await took(looks(database, shared=True))
    return figures


async def check(database: Database) -> int:
    """:raises Wrong: the ten are not in the first batch, or the two finders do not agree"""
    found, _ = await looks(database, shared=True)()
    ten = sum(due.ref.tenant_id == SMALL for due in found)
    if ten != FEW or len(found) != JOB.batch_max * JOB.at_once:
        raise Wrong(f"{ten} of {FEW} in a first batch of {len(found)}")
    alone, _ = await looks(database, shared=False)()
    if any(due.ref.tenant_id == SMALL for due in alone):
        raise Wrong("without sharing they would have been there as well: this shows nothing")
    before = replace(JOB, find="subscriptions.due_before")
    for limit in (1, 777):
        one, other = [await finds(database, job, tenant_id=BIG, limit=limit)() for job in (before, JOB)]
        if [due.due_at for due in one] != [due.due_at for due in other]:
            raise Wrong("what fell due first is another row than it was")
    return len(found)


async def explain(admin: Admin) -> str:
    """Return the plan of the two branches as the function's own: for any tenant, not for this one."""
    body = await admin.fetchval("select prosrc from pg_proc where oid = 'subscriptions.due'::regproc")
    for n, name in enumerate(("p_tenant", "p_now", "p_limit"), start=1):
        body = body.replace(name, f"${n}")
    await admin.execute("set plan_cache_mode = force_generic_plan")
    await admin.execute(f"prepare due (uuid, timestamptz, int) as {body}")
    plans = []
    for tenant in ("null", f"'{SMALL}'"):
        rows = await admin.fetch(
            f"explain (analyze, buffers, costs off) execute due ({tenant}, '{NOW.isoformat()}', 1000)"
        )
        plans.append("\n".join(row[0] for row in rows))
    return "\n\n".join(plans)


async def main() -> int:
    async with a_server() as server:
        await fill(server.admin)
        database = await Database.connect(server.app_url)
        try:
            figures = await measure(database, server.admin)
            plans = await explain(server.admin)
        finally:
            await database.close()
        sizes = await server.admin.fetch(
            """select indexrelid::regclass::text as name, pg_relation_size(indexrelid) as bytes from pg_index
                where indrelid = 'subscriptions.subscriptions'::regclass and indexrelid::regclass::text like '%\\_due%'"""
        )
        figures = {"due": DUE, "looks": figures, "bytes": {row["name"]: row["bytes"] for row in sizes}, "plans": plans}
        path = await write_down("fairness", server.admin, figures)
    for what, figure in figures["looks"].items():
        print(f"{what:<58} {figure['median_ms']:>10.2f} ms   p95 {figure['p95_ms']:>10.2f} ms")
    print(f"right: the ten are in the first batch\n\n{plans}\n\n{figures['bytes']}")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
