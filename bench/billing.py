"""The billing run beside set-based SQL that writes the same rows to the same tables, with everything that guards them.

    python bench/billing.py [sizes] [rounds]        (1000,5000 and 3)

A cohort falls due at once: due -> period rolled, invoice, lines with their explanation, journal entries, events, by the
real job in this process on a durable PostgreSQL. Then what it wrote is undone, and written again: one statement a
table, by the same role, under the same foreign keys, checks, triggers and row-level security. Figures are medians.
None is shown unless the run was right: it goes its whole way first, and counts, books, numbers and the doctor are held
against it.
"""

import asyncio
import cProfile
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Any

from _check import check_cohort, check_house
from _cohort import House, a_house
from _same import Same, again, before
from _server import Server, a_server, refusing_what_is_wrong, write_down
from journey import do_job
from workers import SUBSCRIBED_BEFORE, a_subscribed_cohort

SIZES = (1000, 5000)
ROUNDS = 3


@contextmanager
def profiled() -> Iterator[None]:
    """Write where Python's processor time goes to the file that PROFILE names, if it names one."""
    if not (path := os.environ.get("PROFILE")):
        yield
        return
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    yield
    profile.disable()
    profile.dump_stats(path)


async def run_one(house: House, server: Server, *, size: int, began: datetime) -> dict[str, Any]:
    cohort, due_at = await a_subscribed_cohort(house, size=size, at=began)
    house.clock.instant = due_at
    await server.admin.execute("vacuum analyze")
    start = await before(server.admin)
    wal = await server.admin.fetchval("select pg_current_wal_insert_lsn()::text")
    house.meter.reset()
    cpu, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    with house.meter.step("bill"), profiled():
        await do_job(house, "invoicing.bill_due")
    seconds = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    wal_bytes = await server.admin.fetchval("select (pg_current_wal_insert_lsn() - $1::text::pg_lsn)::bigint", wal)
    await asyncio.sleep(0.01)
    cell, slowest = house.meter.cells["bill"], house.meter.slowest()
    same: Same = await again(server.admin, house.database, cohort.tenant_id, start)
    await house.settle()
    await do_job(house, "invoicing.recognize_due")
    await house.settle()
    await check_cohort(house, cohort, server.admin)
    return {
        "ms": seconds * 1_000 / size,
        "python_ms": (after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime) * 1_000 / size,
        "sql_ms": cell.sql_seconds * 1_000 / size,
        "statements": cell.statements,
        "same_ms": same.seconds * 1_000 / size,
        "ratio": same.seconds / seconds,
        "wal_bytes": wal_bytes / size,
        "same_wal_bytes": same.wal_bytes / size,
        "wal_ratio": wal_bytes / same.wal_bytes,
        "rows": {name: count / size for name, count in same.tables.items()},
        "slowest": slowest,
    }


async def run(server: Server, sizes: tuple[int, ...], rounds: int) -> None:
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    figures: dict[int, list[dict[str, Any]]] = {}
    try:
        await run_one(house, server, size=20, began=began)
        for size in sizes:
            for each in range(rounds):
                print(f"  {size:,} due, round {each + 1}", file=sys.stderr, flush=True)
                figures.setdefault(size, []).append(await run_one(house, server, size=size, began=began))
        checks = await check_house(house, server)
    finally:
        await house.database.close()
    path = await write_down("billing", server.admin, {"rounds": figures})
    show(figures, checks)
    print(f"written to {path.relative_to(path.parent.parent.parent)}")


def show(figures: dict[int, list[dict[str, Any]]], checks: int) -> None:
    names = ("ms", "python_ms", "sql_ms", "statements", "same_ms", "ratio", "wal_bytes", "same_wal_bytes", "wal_ratio")
    print(f"\n{'due':>8}" + "".join(f"{name:>16}" for name in names))
    for size, rounds in figures.items():
        print(f"{size:>8,}" + "".join(f"{median(each[name] for each in rounds):>16,.3f}" for name in names))
    print(f"right: counts, books, numbers, money at the bank, {checks} checks of the doctor's")


async def main() -> int:
    sizes = tuple(map(int, sys.argv[1].split(","))) if len(sys.argv) > 1 else SIZES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        await run(server, sizes, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
