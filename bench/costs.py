"""What a renewal, and a reading of use, cost each part of the machine: written to bench/costs.json, for `capacity.py`.

    python bench/costs.py [sizes] [rounds]        (100,300,1000 and 3)
    python bench/costs.py usage

The journey of `journey.py`, a step after the other in one process, with other gauges: seconds of processor that Python and
that PostgreSQL took (from the kernel, so a busy machine spoils them little), what is left of the time on the wall (waits for
the disk, and for a processor that somebody else had), and bytes of the write-ahead log. Checked as the journey is.
"""

import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import journey
from _check import check_cohort, check_house
from _cohort import House, a_cohort, a_house
from _server import Admin, Server, Wrong, a_server, machine, one_row, refusing_what_is_wrong

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation, NewMeter
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import NewEvent
from guilder.kernel.ids import CustomerId

COSTS = Path(__file__).parent / "costs.json"
SIZES = (100, 300, 1000)
ROUNDS = 3
READINGS, READINGS_A_BATCH = 20_000, 1_000
NAMES = ("bill", "payments", "intents", "calls", "record", "settle", "orders", "access", "notify", "audit", "recognize")


@dataclass(slots=True)
class Cost:
    """Of one step for a whole cohort. `rest_ms`: on the wall, and neither Python's processor time nor PostgreSQL's."""

    wall_ms: float
    python_ms: float
    postgresql_ms: float
    rest_ms: float
    wal_bytes: int


class Gauge:
    """Reads the machine before and after a step."""

    def __init__(self, admin: Admin, postmaster: int) -> None:
        self._admin = admin
        self._postmaster = postmaster
        self.steps: dict[str, Cost] = {}

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        wal = await self._wal()
        wall, python, postgresql = time.perf_counter(), time.process_time(), self._postgresql_s()
        yield
        of_each = self._postgresql_s()
        wall_ms = 1_000 * (time.perf_counter() - wall)
        python_ms = 1_000 * (time.process_time() - python)
        postgresql_ms = 1_000 * sum(seconds - postgresql.get(pid, 0.0) for pid, seconds in of_each.items())
        rest_ms = max(0.0, wall_ms - python_ms - postgresql_ms)
        self.steps[name] = Cost(wall_ms, python_ms, postgresql_ms, rest_ms, await self._wal() - wal)

    async def _wal(self) -> int:
        return int(await self._admin.fetchval("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))

    def _postgresql_s(self) -> dict[int, float]:
        """Seconds of processor of each process of the server; Linux only. One that ends meanwhile takes its own with it."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                if parent == self._postmaster:
                    found[int(stat.parent.name)] = int((stat.parent / "schedstat").read_text().split()[0]) / 1e9
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found


async def renew(house: House, gauge: Gauge) -> None:
    async with gauge.step("bill"):
        await journey.do_job(house, "invoicing.bill_due")
    for name, (_, groups) in zip(NAMES[1:-1], journey.WAY, strict=True):
        async with gauge.step(name):
            if not groups:
                await house.runner.drain()
            for group in groups:
                await house.groups[group].drain()
    async with gauge.step("recognize"):
        await journey.do_job(house, "invoicing.recognize_due")
    if left := await house.everybody.drain() + await house.runner.drain():
        raise Wrong(f"{left} messages or calls were left: a step is not where it was thought to be")


async def live_through(house: House, server: Server, *, size: int, began: datetime) -> tuple[Gauge, dict[str, float]]:
    admin = server.admin
    house.clock.instant = began
    cohort = await a_cohort(house, size=size)
    await journey.subscribe(house, cohort)
    await house.settle()
    house.clock.instant = await admin.fetchval(
        "select max(next_due_at) from subscriptions.subscriptions where tenant_id = $1", cohort.tenant_id
    )
    await admin.execute("analyze")
    bytes_before = await admin.fetchval("select pg_database_size(current_database())")
    counts_before = await counted(admin, cohort.tenant_id)
    gauge = Gauge(admin, await postmaster(admin))
    await renew(house, gauge)
    counts = {name: count - counts_before[name] for name, count in (await counted(admin, cohort.tenant_id)).items()}
    counts["disk_bytes"] = await admin.fetchval("select pg_database_size(current_database())") - bytes_before
    await check_cohort(house, cohort, admin)
    return gauge, {name: round(count / size, 3) for name, count in counts.items()}


async def counted(admin: Admin, tenant_id: object) -> dict[str, int]:
    """Return how many rows there are of what a renewal leaves for others to do, and in the log."""
    found = await one_row(
        admin,
        """select (select count(*) from platform.log where tenant_id = $1) as log_messages,
                  (select count(*) from platform.intents where tenant_id = $1 and kind like 'gateway.%') as gateway_intents,
                  (select count(*) from platform.intents where tenant_id = $1 and kind like '%document%') as documents,
                  (select count(*) from platform.intents where tenant_id = $1
                      and (kind like '%mail%' or kind like 'notif%')) as mails""",
        tenant_id,
    )
    return dict(found)


async def postmaster(admin: Admin) -> int:
    pid = await admin.fetchval("select pg_backend_pid()")
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def middle(rounds: list[Gauge]) -> dict[str, Mapping[str, float]]:
    """Return each step's medians over the rounds."""
    return {
        name: {
            what: round(median(asdict(each.steps[name])[what] for each in rounds), 2)
            for what in ("wall_ms", "python_ms", "postgresql_ms", "rest_ms", "wal_bytes")
        }
        for name in NAMES
    }


async def run(server: Server, *, sizes: tuple[int, ...], rounds: int) -> None:
    began = datetime.now(UTC) - journey.SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    measured: dict[int, Any] = {}
    try:
        await live_through(house, server, size=3, began=began)
        for size in sizes:
            found = []
            for each in range(rounds):
                print(f"  {size:,} at once, round {each + 1}", file=sys.stderr, flush=True)
                found.append(await live_through(house, server, size=size, began=began))
            measured[size] = {"steps": middle([gauge for gauge, _ in found]), "each": found[-1][1]}
        checks = await check_house(house, server)
    finally:
        await house.database.close()
    said = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    said["renewals"] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python bench/costs.py {','.join(map(str, sizes))} {rounds}",
        "machine": await machine(server.admin),
        "rounds": rounds,
        "sizes": measured,
    }
    COSTS.write_text(json.dumps(said, indent=1) + "\n")
    show(measured)
    print(
        f"medians of {rounds} rounds; right: counts, books, numbers, money at the bank, {checks} checks of the doctor's"
    )


async def run_usage(server: Server) -> None:
    """Count readings of 50 customers, a thousand a transaction, as `POST /api/usage` does behind its edge."""
    admin, now = server.admin, datetime.now(UTC)
    house = await a_house(server, now=now)
    gauge = Gauge(admin, await postmaster(admin))
    try:
        cohort = await a_cohort(house, size=50)
        async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
            new = NewMeter(code="calls", name="Calls", aggregation=Aggregation.SUM)
            meter = await catalog.create_meter(tx, meter=new, now=now)
        bytes_before = await admin.fetchval("select pg_database_size(current_database())")
        async with gauge.step("usage"):
            for batch in range(READINGS // READINGS_A_BATCH):
                events = [
                    NewEvent(
                        event_id=f"{batch}-{each}",
                        customer_id=CustomerId(cohort.customers[each % 50][0].id),
                        meter=meter,
                        at=now - timedelta(seconds=each),
                    )
                    for each in range(READINGS_A_BATCH)
                ]
                async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
                    await usage.record(tx, events=events, now=now)
        disk_bytes = await admin.fetchval("select pg_database_size(current_database())") - bytes_before
        counted = await admin.fetchval("select count(*) from usage.events where tenant_id = $1", cohort.tenant_id)
        if counted != READINGS:
            raise Wrong(f"{counted} readings are there, and {READINGS} were sent")
    finally:
        await house.database.close()
    each = {name: round(1_000 * value / READINGS, 2) for name, value in asdict(gauge.steps["usage"]).items()}
    said = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    said["usage"] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python bench/costs.py usage",
        "machine": await machine(admin),
        "readings": READINGS,
        "a_thousand": {**each, "disk_bytes": round(1_000 * disk_bytes / READINGS)},
    }
    COSTS.write_text(json.dumps(said, indent=1) + "\n")
    print(f"a thousand readings: {said['usage']['a_thousand']}; right: every one is there once")


def show(measured: Mapping[int, Any]) -> None:
    print(f"\n{'a renewal, ms each':<24}" + "".join(f"{f'{size:,} at once':>44}" for size in measured))
    print(f"{'':<24}" + f"{'wall':>11}{'Python':>11}{'PostgreSQL':>11}{'rest':>11}" * len(measured))
    kinds = ("wall_ms", "python_ms", "postgresql_ms", "rest_ms")
    for name in NAMES:
        cells = [of["steps"][name][kind] / size for size, of in measured.items() for kind in kinds]
        print(f"{name:<24}" + "".join(f"{cell:>11.3f}" for cell in cells))
    sums = [sum(step[kind] for step in of["steps"].values()) / size for size, of in measured.items() for kind in kinds]
    print(f"{'the whole':<24}" + "".join(f"{cell:>11.3f}" for cell in sums))
    for size, of in measured.items():
        wal = sum(step["wal_bytes"] for step in of["steps"].values()) / size
        print(f"{size:,}: {wal:,.0f} bytes of WAL each; {of['each']}")


async def main() -> int:
    of_usage = sys.argv[1:] == ["usage"]
    sizes = tuple(int(each) for each in sys.argv[1].split(",")) if len(sys.argv) > 1 and not of_usage else SIZES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        await (run_usage(server) if of_usage else run(server, sizes=sizes, rounds=rounds))
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
