"""How the doctor looks: on whose clock, with how much patience, at whom, and what it says when it cannot."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from guilder.kernel.ids import TenantId
from guilder.wiring.doctor.checks import CHECKS
from guilder.wiring.doctor.report import CannotExamine
from guilder.wiring.doctor.run import examine, inspect
from tests.support.database import connected
from tests.support.processes import until
from tests.support.replica import several

HOUR_LATE = "update subscriptions.subscriptions set next_due_at = {at} - interval '1 hour' where status = 'active'"
JUST_DUE = "update subscriptions.subscriptions set next_due_at = {at} - interval '1 minute' where status = 'active'"
SANDBOX = "(select max(now_at) from identity.sandbox_clocks)"


async def test_a_sandbox_is_looked_at_on_its_own_clock(world):
    async with world.broken(HOUR_LATE.format(at=SANDBOX)) as look:
        assert (await look(settled=False)).counts.keys() == {"I15"}
    async with world.broken() as look:
        years_later = await look(now=world.now + timedelta(days=3000))
        assert years_later.is_healthy, "the wall clock says nothing about a sandbox"


async def test_what_is_late_by_less_than_its_grace_is_left_until_all_is_at_rest(world):
    async with world.broken(JUST_DUE.format(at=SANDBOX)) as look:
        assert (await look(settled=False)).is_healthy
        assert (await look(settled=True)).counts.keys() == {"I15"}


async def test_a_suspended_tenant_is_not_billed_and_that_is_not_wrong(world):
    suspend = "; update identity.tenants set status = 'suspended'"
    async with world.broken(HOUR_LATE.format(at=SANDBOX) + suspend) as look:
        assert (await look()).is_healthy


async def test_one_tenant_is_looked_at_alone(world):
    async with world.broken(HOUR_LATE.format(at=SANDBOX)) as look:
        assert (await look(tenant_id=world.tenant_id)).counts.keys() == {"I15"}
        other = await look(tenant_id=world.other_id)
    assert (other.is_healthy, other.tenants) == (True, 1)


async def test_without_a_journal_it_says_what_it_did_not_examine(world):
    report = await examine(world.urls.doctor, now=world.now)
    assert set(report.not_examined) == {"I04", "I04b", "I05", "I06"}
    assert set(report.examined) | set(report.not_examined) == {check.id for check in CHECKS}
    assert report.is_healthy


async def test_an_empty_journal_is_one_that_knows_of_nothing(world):
    report = await examine(world.urls.doctor, now=world.now, journal={"charges": [], "refunds": []}, settled=True)
    assert report.counts.keys() == {"I06"}


async def test_another_gateways_journal_says_nothing_about_this_one(world):
    journal = {"gateway": "stripe", "charges": [], "refunds": []}
    assert (await examine(world.urls.doctor, now=world.now, journal=journal, settled=True)).is_healthy


async def test_it_shows_some_and_counts_all(world):
    async with world.broken("update invoicing.invoices set content_sha256 = ''") as look:
        report = await look(shown_max=2)
    assert sum(each.check == "I16c" for each in report.violations) == 2
    assert report.counts["I16c"] > 5
    first = next(each for each in report.violations if each.check == "I16c")
    assert first.object.startswith("inv_")
    assert first.tenant_id == world.tenant_id
    assert "seal" in str(first)


@pytest.mark.shows("ASVS 8.2.1")
async def test_it_can_change_nothing(world):
    async with connected(world.urls.admin) as admin, admin.transaction():
        await inspect(admin, now=world.now)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await admin.execute("update invoicing.invoices set total_minor = 0")


async def test_a_login_that_may_not_look_is_told_which_may(world):
    with pytest.raises(CannotExamine, match="DATABASE_DOCTOR_URL"):
        await examine(world.urls.app, now=world.now)


async def test_a_database_that_is_not_there_cannot_be_examined(world):
    with pytest.raises(CannotExamine, match="cannot be reached"):
        await examine("postgresql://nobody@127.0.0.1:1/nothing", now=world.now)


async def test_where_no_host_is_the_primary_while_one_is_promoted_nothing_can_be_examined(world):
    # This server is the primary, so a standby is what cannot be had of it.
    wanting = f"{several(world.urls.doctor, world.urls.doctor)}?target_session_attrs=standby"
    with pytest.raises(CannotExamine, match="cannot be reached: no host"):
        await examine(wanting, now=world.now)


async def test_a_database_without_tables_cannot_be_examined(world, a_database):
    async with a_database(migrated=False) as empty:
        with pytest.raises(CannotExamine, match="guilder migrate"):
            await examine(empty.doctor, now=world.now)


async def test_a_tenant_that_is_not_there_is_not_healthy(world):
    with pytest.raises(CannotExamine, match="no tenant"):
        await examine(world.urls.doctor, now=world.now, tenant_id=TenantId(uuid4()))


async def test_a_server_that_goes_away_in_the_midst_of_it_is_told_of_in_a_sentence(world):
    async with connected(world.urls.admin) as holder, connected(world.urls.admin) as admin, holder.transaction():
        await holder.execute("lock table invoicing.invoices in access exclusive mode")
        holds = await holder.fetchval("select pg_backend_pid()")
        looking = asyncio.create_task(examine(world.urls.doctor, now=world.now))

        async def ended():
            return await admin.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))",
                holds,
            )

        await until(ended, timeout_s=60, what="the doctor's waiting for the table")
        with pytest.raises(CannotExamine, match="went away"):
            await looking
