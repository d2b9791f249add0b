"""How far runs have come, as it is shown: on the page of metrics, over HTTP, in a terminal and in a file."""

import asyncio
import io
from datetime import timedelta

import pytest
from rich.console import Console
from typer.testing import CliRunner

from guilder.domain.identity import service as identity
from guilder.entrypoints import watching
from guilder.entrypoints.cli import app
from guilder.entrypoints.cli import runs as command
from guilder.platform import metrics
from guilder.platform.auth.principal import ALL_SCOPES
from guilder.platform.clock import HandClock, WallClock
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Timetable
from guilder.wiring.runs import router
from guilder.wiring.timetable import JOBS, TENANTS
from guilder.wiring.watching.gathering import gather_runs
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.subscriptions import a_subscription
from tests.support.database import connected
from tests.support.served import served
from tests.unit.platform.test_metrics import series, value

BILL = "invoicing.bill_due"
JOB = next(job for job in JOBS if job.name == BILL)
LATER = NOW + timedelta(days=40)


@pytest.fixture(autouse=True)
def _clean_page():
    metrics.nothing_gathered()
    yield
    metrics.nothing_gathered()


@pytest.fixture
async def shop(database):
    """A tenant of which 3 subscriptions were due, and 2 are billed."""
    tenant = await new_tenant(database)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        customer, plan = await a_customer(tx), await a_plan(tx, amount=3_000)
        for _ in range(3):
            await a_subscription(tx, customer, plan, is_active=True)
    watched = watching.Looks(database, [JOB], HandClock(LATER))
    await watched.look()
    one_by_one = Scheduler(database, Timetable([JOB]), clock=HandClock(LATER), tenants=TENANTS)
    found, _ = await one_by_one.find(JOB, now=LATER)
    assert len(found) == 3
    await one_by_one._batches.do(JOB, [due.ref for due in found[:2]], failed_before=[], now=LATER)
    return tenant


async def gathered(database_urls):
    async with connected(database_urls.doctor) as reading:
        return await gather_runs(reading)


async def test_the_page_of_metrics_has_them_by_job(database_urls, shop):
    await gathered(database_urls)
    assert value("guilder_run_done", job=BILL) == 2
    assert value("guilder_run_left", job=BILL) == 1
    assert value("guilder_run_per_second", job=BILL) > 0
    assert value("guilder_run_left_seconds", job=BILL) > 0


async def test_the_page_adds_tenants_up_and_leaves_sandboxes_out(database, database_urls, shop):
    made = [(await new_tenant(database)).tenant_id for _ in range(3)]
    async with database.transaction([shop.tenant_id], actor="test") as tx:
        sandbox = (await identity.create_sandbox(tx, name="S", starts_at=None, now=NOW)).tenant.tenant_id
    async with connected(database_urls.admin) as admin:
        await admin.execute(
            """insert into platform.job_looks (tenant_id, job, due, is_least, looked_at)
               select t, $2, 100, false, now() from unnest($1::uuid[]) t""",
            [*made, sandbox],
            BILL,
        )
    await gathered(database_urls)
    assert value("guilder_run_left", job=BILL) == 301
    assert len(series("guilder_run_left")) == 1


async def test_a_tenants_staff_reads_its_own_over_http(database, shop):
    other = await new_tenant(database)
    async with served(database, [router]) as door:
        (run,) = (await (await door.key_of(shop, scopes=(ALL_SCOPES,)))("GET", "/api/runs")).json()["data"]
        assert (run["job"], run["done"], run["left"], run["left_is_least"], run["failing"]) == (BILL, 2, 1, False, 0)
        assert run["per_second"] > 0
        assert run["seconds_left"] > 0
        assert (await (await door.key_of(other))("GET", "/api/runs")).json()["data"] == []


async def test_the_command_writes_a_line_for_each_where_nobody_sits(database_urls, shop, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, url in (("", database_urls.app), ("OWNER_", database_urls.owner), ("DOCTOR_", database_urls.doctor)):
        monkeypatch.setenv(f"DATABASE_{name}URL", url)

    def said(*words: str) -> list[str]:
        return CliRunner().invoke(app, ["runs", *words], catch_exceptions=False).stdout.splitlines()

    everybodys, of_one = await asyncio.to_thread(said), await asyncio.to_thread(said, "--tenant", shop.slug)
    assert everybodys[0].startswith(f"{BILL} (everybody): 2 done, ")
    assert everybodys[1].startswith(f"{BILL} {shop.slug}: 2 done, ")
    assert of_one == [line for line in of_one if " a second, 1 left, " in line and line.endswith(" to go, 0 failing")]
    assert len(of_one) == 1


async def test_the_terminal_draws_a_bar_for_each(database_urls, shop):
    found = await gathered(database_urls)
    screen = Console(width=140, file=io.StringIO(), force_terminal=True, legacy_windows=False, color_system=None)
    screen.print(command.drawn(found, {}))
    (row,) = [line for line in screen.file.getvalue().splitlines() if BILL in line]
    assert "(everybody)" in row
    assert "━" * 10 in row
    assert row.split()[-1] == "0"


async def test_who_keeps_time_writes_a_line_while_something_is_left(database, installed_settings, shop, monkeypatch):
    written = []
    monkeypatch.setattr(watching._log, "info", lambda event, **about: written.append((event, about)))
    stop = asyncio.Event()
    watcher = watching.Watcher(database, installed_settings, JOBS, WallClock(), every_s=0.05)
    running = asyncio.create_task(watcher.run(stop))
    async with asyncio.timeout(60):
        while not written:
            await asyncio.sleep(0.02)
    stop.set()
    await running
    event, about = written[0]
    assert (event, about["job"], about["done"]) == ("run_goes_on", BILL, 2)
    assert about["left"] >= 1
