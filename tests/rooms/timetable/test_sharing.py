"""Every job whose batches are shared between tenants …"""

from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.identity import service as identity
from guilder.platform.clock import HandClock
from guilder.platform.jobs import store
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Job, Timetable
from guilder.wiring.timetable import JOBS, TENANTS
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.subscriptions import a_subscription
from tests.support.database import connected

SHARED = [job for job in JOBS if job.is_shared]
LATER = NOW + timedelta(days=40)


@pytest.mark.parametrize("job", SHARED, ids=lambda job: job.name)
async def test_finds_what_is_due_of_one_tenant_by_a_step_into_an_index(database_urls, clean, job: Job):
    """However the planner sees the tables, nothing but an index by tenant and time may answer."""
    async with connected(database_urls.admin) as admin:
        body = await admin.fetchval("select prosrc from pg_proc where oid = $1::text::regproc", job.find)
        for n, name in enumerate(("p_tenant", "p_now", "p_limit"), start=1):
            body = body.replace(name, f"${n}")
        await admin.execute("set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_sort = off")
        await admin.execute(f"prepare due (uuid, timestamptz, int) as {body}")
        nobody, now = "00000000-0000-0000-0000-000000000000", datetime(2026, 1, 1, tzinfo=UTC).isoformat()
        plan = [row[0].strip() for row in await admin.fetch(f"explain execute due ('{nobody}', '{now}', 10)")]
    steps = [line for line in plan if line.startswith("Index Cond: ((tenant_id = ANY (ARRAY[$1])) AND (")]
    assert len(steps) == 1, plan
    assert "<= $2" in steps[0]


async def subscribed(database, *, sandbox: bool = False):
    """Return a tenant with one active subscription, whose period is over within 40 days."""
    tenant_id = (await new_tenant(database)).tenant_id
    if sandbox:
        async with database.transaction([tenant_id], actor="test") as tx:
            tenant_id = (await identity.create_sandbox(tx, name="S", starts_at=None, now=NOW)).tenant.tenant_id
    async with database.transaction([tenant_id], actor="test") as tx:
        customer, plan = await a_customer(tx), await a_plan(tx, amount=3_000)
        await a_subscription(tx, customer, plan, is_active=True)
    return tenant_id


async def test_goes_by_who_is_on_the_wall_clock_and_not_suspended(database):
    tenants = sorted([await subscribed(database) for _ in range(3)])
    sandbox = await subscribed(database, sandbox=True)
    async with database.transaction(actor="test") as tx:
        everybody = await store.tenants_after(tx, TENANTS, None, limit=100)
        assert set(tenants) <= set(everybody)
        assert sandbox not in everybody
        assert await store.tenants_after(tx, TENANTS, tenants[0], limit=1) == [tenants[1]]
    async with database.transaction([tenants[1]], actor="test") as tx:
        await tx.execute("update identity.tenants set status = 'suspended' where tenant_id = $1", tenants[1])
    async with database.transaction(actor="test") as tx:
        assert await store.tenants_after(tx, TENANTS, tenants[0], limit=1) == [tenants[2]]


async def test_finds_of_one_tenant_its_own_and_of_none_those_on_the_wall_clock(database):
    tenant, other = await subscribed(database), await subscribed(database)
    sandbox = await subscribed(database, sandbox=True)
    (job,) = [job for job in SHARED if job.name == "invoicing.bill_due"]
    async with database.transaction(actor="test") as tx:
        for asked, wanted in ((None, {tenant, other}), (tenant, {tenant}), (sandbox, {sandbox})):
            found = await store.due(tx, [job], tenant_id=asked, now=LATER, limits=[10])
            assert {due.ref.tenant_id for due in found} == wanted
            assert await store.due(tx, [job], tenant_id=asked, now=NOW, limits=[10]) == []
        each = await store.due_of_each(tx, job, [tenant, other], asides={}, limit=10, now=LATER)
        assert {due.ref.tenant_id for due in each} == {tenant, other}
        assert await store.due_of_each(tx, job, [tenant, other], asides={}, limit=10, now=NOW) == []


async def test_bills_the_few_of_one_in_the_first_batch_beside_the_many_of_another(database):
    many = (await new_tenant(database)).tenant_id
    async with database.transaction([many], actor="test") as tx:
        customer, plan = await a_customer(tx), await a_plan(tx, amount=3_000)
        for _ in range(12):
            await a_subscription(tx, customer, plan, is_active=True, now=NOW - timedelta(days=1))
    few = await subscribed(database)
    (job,) = [job for job in SHARED if job.name == "invoicing.bill_due"]
    job = Job(name=job.name, find=job.find, run=job.run, is_shared=True, batch_max=4)
    scheduler = Scheduler(database, Timetable([job]), clock=HandClock(LATER), tenants=TENANTS)
    assert await scheduler.step(job) == 4
    async with database.transaction([few, many], actor="test") as tx:
        billed = await tx.fetch("select tenant_id, count(*) as n from invoicing.invoices group by 1")
    assert {row["tenant_id"]: row["n"] for row in billed} == {few: 1, many: 3}
