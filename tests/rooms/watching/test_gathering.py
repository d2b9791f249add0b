"""What one process gathers for the page of metrics: figures of live tenants, cheap, and gone when nobody gathers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from guilder.domain.identity import service as identity
from guilder.entrypoints import watching
from guilder.kernel import ids
from guilder.platform import metrics
from guilder.platform.clock import WallClock
from guilder.platform.outside.intents import NewIntent, intend
from guilder.wiring.doctor.checks import CHECKS
from guilder.wiring.doctor.report import Report
from guilder.wiring.timetable import JOBS
from guilder.wiring.watching.gathering import gather, gather_lateness, show_health
from guilder.wiring.watching.queries import QUERIES
from tests.support.builders.identity import new_tenant
from tests.support.database import connected
from tests.unit.platform.test_metrics import series, value

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clean_page():
    metrics.nothing_gathered()
    yield
    metrics.nothing_gathered()


async def a_tenant(database):
    return (await new_tenant(database, time_zone="UTC", now=NOW)).tenant_id


async def a_sandbox(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        made = await identity.create_sandbox(tx, name="S", starts_at=None, now=NOW)
    return made.tenant.tenant_id


async def call_for(database, tenant, count=1):
    async with database.transaction([tenant], actor="test") as tx:
        wanted = [
            NewIntent(tenant_id=tenant, kind="toy.call", destination="toy", subject_id=ids.new(NOW))
            for _ in range(count)
        ]
        await intend(tx, intents=wanted, now=NOW)


async def test_every_figure_is_gathered_by_the_doctors_role_which_can_change_nothing(database, database_urls):
    async with connected(database_urls.doctor) as reading:
        await gather(reading, now=NOW)
    always = {name for query in QUERIES if query.labels == 0 for name in query.figures}
    assert always <= {each.name for name in always for each in series(name)}
    assert value("guilder_gathered_timestamp_seconds") == NOW.timestamp()


async def test_calls_that_wait_are_counted_by_kind_and_a_sandboxs_are_its_own(database, database_urls):
    tenant = await a_tenant(database)
    await call_for(database, tenant, count=3)
    await call_for(database, await a_sandbox(database, tenant), count=5)
    async with connected(database_urls.doctor) as reading:
        await gather(reading, now=NOW)
        assert value("guilder_intents_waiting", kind="toy.call") == 3
        async with connected(database_urls.admin) as admin:
            await admin.execute("update platform.intents set state = 'dead' where kind = 'toy.call'")
        await gather(reading, now=NOW)
    assert value("guilder_intents_waiting", kind="toy.call") == 0
    assert value("guilder_intents_dead", kind="toy.call") == 3


async def test_what_has_gone_is_gone_from_the_page(database, database_urls):
    await call_for(database, await a_tenant(database))
    async with connected(database_urls.doctor) as reading:
        await gather(reading, now=NOW)
        assert series("guilder_intents_waiting")
        async with connected(database_urls.admin) as admin:
            await admin.execute("delete from platform.intents")
        await gather(reading, now=NOW)
    assert series("guilder_intents_waiting") == []


async def test_lateness_is_shown_for_every_job_of_the_timetable(database):
    await gather_lateness(database, JOBS, now=NOW)
    assert {each.labels["job"] for each in series("guilder_job_due_seconds")} == {job.name for job in JOBS}


async def test_the_figures_are_gathered_by_one_of_those_that_keep_time(database, installed_settings):
    """The second one shows nothing, until the first one goes."""
    one, other = (watching.Watcher(database, installed_settings, JOBS, WallClock(), every_s=0.05) for _ in range(2))
    lock = await database.listen()
    async with running(one):
        await seen("guilder_gathered_timestamp_seconds")
        assert not await lock.fetchval(watching._LOCK), "one has it"
        second = running(other)
        await second.__aenter__()
        await asyncio.sleep(0.2)
    await lock.close()
    await seen("guilder_gathered_timestamp_seconds")
    await second.__aexit__(None, None, None)
    assert series("guilder_gathered_timestamp_seconds") == [], "nobody gathers, and nobody shows old figures"


async def test_the_doctors_findings_become_figures(database, installed_settings):
    settings = installed_settings.model_copy(update={"doctor_every_minutes": 60})
    watcher = watching.Watcher(database, settings, JOBS, WallClock(), every_s=0.05, doctor_first_s=0)
    async with running(watcher):
        await seen("guilder_doctor_timestamp_seconds")
        found = {each.labels["check"]: each.value for each in series("guilder_doctor_violations")}
    assert set(found) == {check.id for check in CHECKS if not check.needs_journal}
    assert set(found.values()) == {0}


async def test_a_violation_is_a_figure_by_its_invariant(database):
    show_health(Report(violations=[], examined=["I01", "I02"], tenants=1, counts={"I02": 7}), now=NOW, seconds=1)
    assert (value("guilder_doctor_violations", check="I01"), value("guilder_doctor_violations", check="I02")) == (0, 7)


async def test_a_login_that_may_not_look_is_told_of_and_stops_nothing(database, database_urls, installed_settings):
    async with connected(database_urls.app) as reading:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gather(reading, now=NOW)
    settings = installed_settings.model_copy(update={"database_doctor_url": None})
    watcher = watching.Watcher(database, settings, JOBS, WallClock(), every_s=0.05)
    async with asyncio.timeout(60), running(watcher):
        while watcher._told_at is None:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(watcher: watching.Watcher) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(watcher.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def seen(name: str) -> None:
    async with asyncio.timeout(60):
        while not series(name):
            await asyncio.sleep(0.02)
