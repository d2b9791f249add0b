"""Renewals for as long as one likes, at half speed: does memory stay flat, and does any table grow that should not?

    python bench/soak.py [minutes] [customers]        (3 and 500; an hour: 60 5000)

A cohort renews month after month of its own clock, on its whole way, by the real job, log and runner in this process; after
each month it waits as long as it worked, and the house's chores forget what has long been done. A renewal leaves rows that
are kept: they are named, each with what it takes. Every other table must have stopped growing after the first third.
No figure is shown unless counts, books, numbers and the doctor were right, and every day of the log could be dropped.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from _bare import TABLES
from _check import check_house, check_numbers
from _cohort import Cohort, House, a_house
from _quiet import quiet
from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _table import row
from journey import do_job
from workers import a_subscribed_cohort

from guilder.platform.bus.retention import Retention
from guilder.platform.outside import store as outside
from guilder.wiring.timetable import forget

MINUTES, CUSTOMERS = 3.0, 500
MONTHS_LEAST, MONTHS_MOST = 6, 120
BEGAN_BEFORE = timedelta(days=30.44 * (MONTHS_MOST + 1))
MEMORY_MOST, GROWTH_MOST = 1.1, 1.1
FORGOTTEN_MAX = 10_000
# What is kept of a renewal: the books, and what shows that they are right. The log is dropped by days, which a run is one of.
KEPT = frozenset(
    {
        "audit.records",
        "gateways.requests",
        "invoicing.billed_items",
        "invoicing.invoices",
        "invoicing.lines",
        "invoicing.states",
        "ledger.entries",
        "ledger.postings",
        "notifications.notifications",
        "payments.payments",
        "payments.states",
        "platform.log",
        "subscriptions.history",
    }
)


@dataclass(frozen=True, slots=True)
class Seen:
    """After a month: seconds since the beginning, memory, and the bytes of each table with its indexes."""

    at_s: float
    worked_s: float
    memory_mb: float
    bytes: Mapping[str, int]


async def look(admin: Admin, *, at_s: float, worked_s: float) -> Seen:
    sizes = {}
    for each in await admin.fetch(TABLES):
        sizes[each["name"]] = await admin.fetchval(
            """select sum(pg_total_relation_size(relid))::bigint from (
                   select $1::text::regclass as relid union all
                   select t.relid from pg_partition_tree($1::text::regclass) t where t.isleaf and t.level > 0) of_it""",
            each["name"],
        )
    resident = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return Seen(at_s, worked_s, int(resident.split()[1]) / 1024, sizes)


async def a_month(house: House, admin: Admin, cohort: Cohort) -> None:
    house.clock.instant = await admin.fetchval(
        "select min(next_due_at) from subscriptions.subscriptions where tenant_id = $1", cohort.tenant_id
    )
    await do_job(house, "invoicing.bill_due")
    await house.settle()
    await do_job(house, "invoicing.recognize_due")
    await house.settle()
    # Documents and mails, which nobody makes here, are taken for made.
    await admin.execute("update platform.intents set state = 'done' where state = 'waiting'")
    await forget(house.database, lambda tx: outside.purge(tx, older_than_days=0, limit=FORGOTTEN_MAX))


async def soak(house: House, server: Server, *, minutes: float, customers: int) -> tuple[Cohort, list[Seen]]:
    """Return what was renewed, and what was seen after each month."""
    cohort, _ = await a_subscribed_cohort(house, size=customers, at=house.clock.now())
    seen: list[Seen] = []
    began = time.perf_counter()
    while len(seen) < MONTHS_MOST and (time.perf_counter() - began < minutes * 60 or len(seen) < MONTHS_LEAST):
        with quiet(alone=False):
            month_began = time.perf_counter()
            await a_month(house, server.admin, cohort)
            worked = time.perf_counter() - month_began
        await asyncio.sleep(worked)
        seen.append(await look(server.admin, at_s=time.perf_counter() - began, worked_s=worked))
        print(f"  month {len(seen)}: {worked:.1f} s, {seen[-1].memory_mb:.0f} MB", file=sys.stderr, flush=True)
    return cohort, seen


async def check(house: House, server: Server, cohort: Cohort, *, months: int) -> int:
    """Hold all of it against what must be; return how many checks the doctor made.

    :raises Wrong: says what is another
    """
    await check_numbers(server.admin, cohort, wanted=len(cohort.customers) * (months + 1))
    checks = await check_house(house, server, now=house.clock.now())
    house.clock.instant = datetime.now(UTC) + timedelta(days=60)
    held = await Retention(house.database, house.clock).step()
    left = await server.admin.fetchval("select count(*) from platform.log")
    if held or left:
        raise Wrong(f"{held} days of the log are held, and {left} messages are left of those that were to be dropped")
    return checks


def rows_of(seen: list[Seen], renewals: int) -> list[dict[str, Any]]:
    early, last = seen[len(seen) // 3], seen[-1]
    grown = {
        name: size / early.bytes[name]
        for name, size in last.bytes.items()
        if name not in KEPT and early.bytes.get(name) and size > 1 << 20
    }
    most = max(grown, key=lambda name: grown[name], default="")
    figures = {"months": len(seen), "renewals": renewals, "minutes": round(last.at_s / 60, 1)}
    memory = {"mb_early": round(early.memory_mb), "mb_at_the_end": round(last.memory_mb)}
    return [
        row(
            "soak: memory of the process",
            last.memory_mb / early.memory_mb,
            MEMORY_MOST,
            unit="times that after a third",
            figures={**figures, **memory},
            at_most=True,
        ),
        row(
            "soak: the table that grew most, of those that should not",
            grown.get(most, 1.0),
            GROWTH_MOST,
            unit="times that after a third",
            figures={"table": most or "none is over 1 MB"},
            at_most=True,
        ),
    ]


async def main() -> int:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    customers = int(sys.argv[2]) if len(sys.argv) > 2 else CUSTOMERS
    async with a_server() as server:
        house = await a_house(server, now=datetime.now(UTC) - BEGAN_BEFORE)
        try:
            cohort, seen = await soak(house, server, minutes=minutes, customers=customers)
            checks = await check(house, server, cohort, months=len(seen))
        finally:
            await house.database.close()
        renewals = customers * len(seen)
        kept = {name: (seen[-1].bytes[name] - seen[0].bytes[name]) / (renewals - customers) for name in sorted(KEPT)}
        rows = rows_of(seen, renewals)
        said = {"customers": customers, "kept_bytes_a_renewal": kept, "rows": rows}
        said["seen"] = [{"at_s": each.at_s, "memory_mb": each.memory_mb, "bytes": dict(each.bytes)} for each in seen]
        path = await write_down("soak", server.admin, said)
    for each in rows:
        print(f"{each['what']:<60} {each['ratio']:.2f} {each['unit']}  {each['figures']}")
    print("kept of a renewal, bytes: " + ", ".join(f"{name} {size:,.0f}" for name, size in kept.items()))
    print(
        f"right: counts, books, numbers, money at the bank, {checks} checks of the doctor's; every day of the log dropped"
    )
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
