"""Suspension reaches everything of a tenant's: its sandboxes, and whatever the clock finds due."""

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import TenantStatus
from guilder.kernel.errors import NotFound
from guilder.wiring.timetable import JOBS
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import connected

pytestmark = pytest.mark.shows("fault G4")


async def with_sandbox(database):
    made = await new_tenant(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        sandbox = await identity.create_sandbox(tx, name="try", starts_at=None, now=NOW)
    return made, sandbox.tenant


async def held(database_urls):
    async with connected(database_urls.admin) as admin:
        return {row[0] for row in await admin.fetch("select tenant_id from platform.held_tenants")}


async def statuses(database, *tenants):
    seen = [each.tenant_id for each in tenants]
    async with database.transaction(seen, actor="test") as tx:
        found = await identity.tenants(tx, ids=seen)
    return [found[each].status for each in seen]


async def test_a_sandbox_follows_its_tenant_both_ways(database, database_urls):
    made, sandbox = await with_sandbox(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
        assert tx.tenants == {made.tenant_id}
    assert await statuses(database, made, sandbox) == [TenantStatus.SUSPENDED] * 2
    assert await held(database_urls) == {made.tenant_id, sandbox.tenant_id}
    async with connected(database_urls.admin) as admin:
        told = await admin.fetch("select tenant_id from platform.log where name = 'identity.tenant.suspended'")
    assert {row[0] for row in told} == {made.tenant_id, sandbox.tenant_id}

    async with database.transaction([made.tenant_id], actor="test") as tx:
        await identity.resume_tenant(tx, reason="paid", now=NOW)
    assert await statuses(database, made, sandbox) == [TenantStatus.ACTIVE] * 2
    assert await held(database_urls) == set()


async def test_a_sandbox_that_was_suspended_for_itself_stays_so(database):
    made, sandbox = await with_sandbox(database)
    async with database.transaction([sandbox.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="noisy", now=NOW)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
        await identity.resume_tenant(tx, reason="paid", now=NOW)
    assert await statuses(database, made, sandbox) == [TenantStatus.ACTIVE, TenantStatus.SUSPENDED]


async def test_nobody_makes_a_sandbox_of_a_suspended_tenant(database):
    made = await new_tenant(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
        with pytest.raises(NotFound):
            await identity.create_sandbox(tx, name="try", starts_at=None, now=NOW)


async def test_another_tenant_is_not_touched(database, database_urls):
    made, other = await new_tenant(database), await new_tenant(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
    assert await statuses(database, other) == [TenantStatus.ACTIVE]
    assert other.tenant_id not in await held(database_urls)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
async def test_what_the_clock_finds_is_never_a_suspended_tenants(database_urls, job):
    """A finder that forgets it would bill, remind or block for a business that is shut out."""
    async with connected(database_urls.admin) as admin:
        source = await admin.fetchval("select prosrc from pg_proc where oid = $1::regproc", job.find)
    assert "identity.tenants" in source, job.find
    assert "status = 'active'" in source.replace("t.status", "status"), job.find
