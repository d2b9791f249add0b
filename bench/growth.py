"""What a renewal costs among 10,000 subscriptions with a year of history, among 100,000, and among a million.

    python bench/growth.py [sizes] [rounds] [customers] [months]        (10000,100000 and 2, 500, 12)

So many customers subscribe and renew for so many months, for real: the real job, log and runner. Their database is copied
once a size, and what they left behind is copied in it, set-based, with new ids (`_mass.py`). Then the real ones renew again, in
turn in every database: milliseconds, processor time, write-ahead log and disk a renewal, and what memory this process
takes. No figure is shown unless counts, books and numbers were right in all of them, and the doctor found nothing.
"""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from _check import LEFT_LYING
from _cohort import Cohort, House, a_house
from _mass import Seed, grow, lay_aside
from _quiet import quiet
from _server import Admin, Server, Wrong, a_server, one_row, refusing_what_is_wrong, write_down
from _table import row
from costs import Gauge, postmaster
from journey import do_job
from workers import a_subscribed_cohort

from guilder.wiring.doctor.checks import CHECKS
from guilder.wiring.doctor.run import examine

SIZES, ROUNDS, CUSTOMERS, MONTHS = (10_000, 100_000), 2, 500, 12
# After so many months and some days the last renewal lies behind, and the next one ahead: the doctor looks at today.
MONTH, SOME_DAYS = timedelta(days=30.44), timedelta(days=5)
GROWTH_MOST, MEMORY_MOST_MB = 1.15, 500
# A connection tells what it looked through within so many seconds.
TOLD_S, SCANNED_SHOWN = 11, 6
# The bank's own journal names the real ones' charges, and not those of the copies.
NEED_A_JOURNAL = frozenset(check.id for check in CHECKS if check.needs_journal)


@dataclass(frozen=True, slots=True)
class Renewed:
    """Of one renewal, all of one round together: the billing run, and all that follows from it."""

    bill_ms: float
    bill_python_ms: float
    bill_postgresql_ms: float
    bill_wal_bytes: float
    whole_ms: float
    whole_python_ms: float
    whole_postgresql_ms: float
    whole_wal_bytes: float
    disk_bytes: float

    def processor_ms(self, kind: str) -> float:
        """What was worked, without waiting: steadier than the wall on a machine where others work, too."""
        return float(getattr(self, f"{kind}_python_ms") + getattr(self, f"{kind}_postgresql_ms"))


async def renew(house: House, admin: Admin, cohort: Cohort) -> Renewed:
    """Let a month pass, and do all that is due then."""
    size = len(cohort.customers)
    due = "select min(next_due_at) from subscriptions.subscriptions where tenant_id = $1"
    house.clock.instant = await admin.fetchval(due, cohort.tenant_id)
    await admin.execute("checkpoint")
    disk = await admin.fetchval("select pg_database_size(current_database())")
    gauge = Gauge(admin, await postmaster(admin))
    async with gauge.step("bill"):
        await do_job(house, "invoicing.bill_due")
    async with gauge.step("rest"):
        await house.settle()
        await do_job(house, "invoicing.recognize_due")
        await house.settle()
    disk = await admin.fetchval("select pg_database_size(current_database())") - disk
    bill, rest = gauge.steps["bill"], gauge.steps["rest"]
    of = [bill.wall_ms, bill.python_ms, bill.postgresql_ms, bill.wal_bytes]
    of += [a + b for a, b in zip(of, (rest.wall_ms, rest.python_ms, rest.postgresql_ms, rest.wal_bytes), strict=True)]
    return Renewed(*(each / size for each in (*of, disk)))


@asynccontextmanager
async def a_copy(server: Server, name: str) -> AsyncIterator[Server]:
    """Copy the whole database; nobody may be connected to it."""
    at = await asyncpg.connect(_database(server.admin_url, "postgres"))
    try:
        await at.execute(f"create database {name} template guilder strategy file_copy")
        owner, app, doctor, admin_url = (
            _database(url, name) for url in (server.owner_url, server.app_url, server.doctor_url, server.admin_url)
        )
        admin = await asyncpg.connect(admin_url)
        try:
            yield Server(owner, app, doctor, admin_url, admin)
        finally:
            await admin.close()
            await at.execute(f"drop database {name} with (force)")
    finally:
        await at.close()


def _database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@dataclass(frozen=True, slots=True)
class Site:
    """One size: the real ones' house, on a database with so many copies of them beside."""

    size: int
    server: Server
    house: House
    seconds_to_grow: float
    bytes: int
    scanned_before: Mapping[str, int]


async def a_site(server: Server, seeded: House, seed: Seed, *, size: int, customers: int) -> Site:
    print(f"  {size:,}: copying", file=sys.stderr, flush=True)
    began = time.perf_counter()
    await grow(server.admin, seed, copies=size // customers - 1)
    seconds = time.perf_counter() - began
    found = await server.admin.fetchval("select count(*) from subscriptions.subscriptions where status = 'active'")
    if found != size:
        raise Wrong(f"there are {found} subscriptions, and not {size}")
    disk = await server.admin.fetchval("select pg_database_size(current_database())")
    print(f"  {size:,}: {seconds:,.0f} s, {disk / 1e9:,.1f} GB", file=sys.stderr, flush=True)
    house = await a_house(server, now=seeded.clock.now(), key=seeded.key)
    return Site(size, server, house, seconds, disk, await scanned(server.admin))


async def scanned(admin: Admin) -> dict[str, int]:
    """Return of each table how many rows were looked through that no index led to."""
    found = await admin.fetch("select schemaname || '.' || relname as name, seq_tup_read as n from pg_stat_user_tables")
    return {row["name"]: row["n"] for row in found}


async def scanned_most(site: Site, renewals: int) -> dict[str, int]:
    """Return the tables that were looked through most since it was grown, and how many rows for each renewal."""
    await asyncio.sleep(TOLD_S)
    each = {
        name: round((count - site.scanned_before.get(name, 0)) / renewals)
        for name, count in (await scanned(site.server.admin)).items()
    }
    return {name: each[name] for name in sorted(each, key=lambda name: -each[name])[:SCANNED_SHOWN] if each[name]}


async def check(site: Site, cohort: Cohort, *, periods: int) -> int:
    """Hold all of it against what must be; return how many checks the doctor made.

    :raises Wrong: says what is another
    """
    customers, admin = len(cohort.customers), site.server.admin
    row = await one_row(
        admin,
        """select count(*) filter (where p.is_default) as invoices, max(i.sequence) filter (where p.is_default) as last,
                  count(distinct i.sequence) filter (where p.is_default) as numbers,
                  count(*) filter (where i.status <> 'paid') as unpaid
             from invoicing.invoices i join identity.issuers p on (p.tenant_id, p.id) = (i.tenant_id, i.issuer_id)
            where i.tenant_id = $1""",
        cohort.tenant_id,
    )
    wanted = customers * periods
    if (said := tuple(row)) != (wanted, wanted, wanted, 0):
        raise Wrong(f"invoices, last number, numbers, unpaid: {said}, and not {wanted} of each and none")
    if books := await admin.fetchval("select coalesce(sum(amount_minor), 0) from ledger.postings"):
        raise Wrong(f"the books add up to {books}")
    report = await examine(site.server.doctor_url, now=datetime.now(UTC))
    found = [str(each) for each in report.violations if each.check not in LEFT_LYING]
    if found or set(report.not_examined) != NEED_A_JOURNAL:
        raise Wrong("the doctor found: " + "; ".join([*found[:5], *report.not_examined]))
    return len(report.examined) - len(LEFT_LYING)


async def a_seed(server: Server, *, began: datetime, customers: int, months: int) -> tuple[House, Cohort, Seed]:
    """Live through the history for real; what is left is ready to be copied, and nobody is connected to it."""
    house = await a_house(server, now=began)
    try:
        with quiet(alone=False):
            cohort, _ = await a_subscribed_cohort(house, size=customers, at=began)
        for month in range(months):
            with quiet(alone=False):
                await server.admin.execute("analyze")
                took = await renew(house, server.admin, cohort)
            said = f"{took.whole_ms:.2f} ms a renewal, of the processor {took.processor_ms('whole'):.2f}"
            print(f"  month {month + 1}: {said}", file=sys.stderr, flush=True)
    finally:
        await house.database.close()
    seed = await lay_aside(server.admin, cohort.tenant_id, customers=customers)
    await server.admin.close()
    return house, cohort, seed


async def measure(
    server: Server, sizes: tuple[int, ...], *, rounds: int, customers: int, months: int
) -> tuple[list[Site], dict[int, list[Renewed]], int]:
    began = datetime.now(UTC) - (months + 1 + rounds) * MONTH - SOME_DAYS
    house, cohort, seed = await a_seed(server, began=began, customers=customers, months=months)
    figures: dict[int, list[Renewed]] = {size: [] for size in sizes}
    async with AsyncExitStack() as copies:
        sites: list[Site] = []
        for size in sizes:
            copy = await copies.enter_async_context(a_copy(server, f"size{size}"))
            sites.append(await a_site(copy, house, seed, size=size, customers=customers))
            copies.push_async_callback(sites[-1].house.database.close)
        for site in sites:  # the first in a new database meets cold caches and unprepared statements
            await renew(site.house, site.server.admin, cohort)
        for each in range(rounds):
            for site in sites if each % 2 == 0 else reversed(sites):
                print(f"  among {site.size:,}, round {each + 1}", file=sys.stderr, flush=True)
                with quiet():
                    figures[site.size].append(await renew(site.house, site.server.admin, cohort))
        looked_through = {site.size: await scanned_most(site, customers * (rounds + 1)) for site in sites}
        print(f"  rows looked through for each renewal: {looked_through}", file=sys.stderr, flush=True)
        with quiet(alone=False):
            checks = min([await check(site, cohort, periods=months + rounds + 2) for site in sites])
        return sites, figures, checks


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def middle(rounds: list[Renewed], name: str) -> float:
    return median(float(getattr(each, name)) for each in rounds)


def rows_of(figures: dict[int, list[Renewed]], memory: float) -> list[dict[str, Any]]:
    small, large = min(figures), max(figures)
    rows = []
    pairs = list(zip(figures[large], figures[small], strict=True))
    for what, kind in (("billing run", "bill"), ("renewal on its whole way", "whole")):
        ratio = median(getattr(a, f"{kind}_ms") / getattr(b, f"{kind}_ms") for a, b in pairs)
        said = {f"ms_at_{size}": round(middle(of, f"{kind}_ms"), 3) for size, of in figures.items()}
        said["times_the_processor"] = round(median(a.processor_ms(kind) / b.processor_ms(kind) for a, b in pairs), 2)
        rows.append(
            row(
                f"growth: {what} among {large:,} subscriptions",
                ratio,
                GROWTH_MOST,
                unit=f"times that among {small:,}",
                figures=said,
                at_most=True,
            )
        )
    rows.append(row("growth: memory of the process, at most", memory, MEMORY_MOST_MB, unit="MB", at_most=True))
    return rows


def picture_of(figures: dict[int, list[Renewed]]) -> dict[str, Any]:
    lines = {"the whole way": "whole_ms", "of it the billing run": "bill_ms"}
    return {
        "title": "Milliseconds a renewal, among how many subscriptions with their history",
        "lines": {
            name: [(size / 1_000, middle(of, key)) for size, of in figures.items()] for name, key in lines.items()
        },
        "across": "thousand subscriptions",
        "up": "ms",
        "x_step": max(figures) / 10_000,
    }


def show(figures: dict[int, list[Renewed]], memory: float, checks: int) -> None:
    names = list(asdict(next(iter(figures.values()))[0]))
    print(f"\n{'a renewal among':<22}" + "".join(f"{size:>14,}" for size in figures))
    for name in names:
        print(f"{name:<22}" + "".join(f"{middle(of, name):>14,.3f}" for of in figures.values()))
    print(f"memory of this process, at most: {memory:,.0f} MB")
    print(f"right: counts, books, numbers, {checks} checks of the doctor's in each database")


async def main() -> int:
    given = sys.argv[1:]
    sizes = tuple(map(int, given[0].split(","))) if given else SIZES
    rounds, customers, months = (
        int(given[n]) if len(given) > n else usual for n, usual in ((1, ROUNDS), (2, CUSTOMERS), (3, MONTHS))
    )
    async with a_server() as server:
        sites, figures, checks = await measure(server, sizes, rounds=rounds, customers=customers, months=months)
        memory = memory_mb()
        said = {
            "months": months,
            "customers_renewed": customers,
            "sizes": {
                site.size: {
                    "seconds_to_grow": round(site.seconds_to_grow, 1),
                    "database_bytes": site.bytes,
                    "rounds": [asdict(each) for each in figures[site.size]],
                }
                for site in sites
            },
            "rows": rows_of(figures, memory),
            "picture": picture_of(figures),
        }
        admin = await asyncpg.connect(server.admin_url)
        path = await write_down("growth", admin, said)
        await admin.close()
    show(figures, memory, checks)
    print(f"written to {path.relative_to(Path(__file__).parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
