"""Renewals on their whole way by two processes that do everything, beside one such process, in turn in the same run.

    python bench/pair.py [renewals] [rounds]        (3,000 and 3)

A worker here is what `guilder work` starts: scheduler, sequencer, who hears the log, and who calls the bank, in one process
on PostgreSQL alone. A cohort with saved cards falls due for all of them at one instant; measured is the time until all of
it is billed, nothing is behind in any group and no charge waits, and how many cores all of the machine kept busy meanwhile.
The ratio is the median of the rounds' ratios. Of what a second worker could bring, which is what one leaves idle, it has to
bring four fifths: 1.6 times where one keeps one of two cores busy, and no loss where it keeps all of them busy. Beside it
stands what PostgreSQL takes for the same rows in bare tables, set-based, as in `journey.py`: which goes step by step, where
a worker does all of it side by side. No figure is shown unless counts, books, numbers, charges and the doctor are right.
"""

import asyncio
import multiprocessing as mp
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import _bare as bare
from _bank import Bank
from _check import check_cohort, check_house
from _cohort import House, SetClock, a_house, calling
from _quiet import quiet
from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _table import row
from _ways import Way, processes
from journey import do_job
from workers import BEHIND, SUBSCRIBED_BEFORE, WARM, a_subscribed_cohort

from guilder.domain.identity import service as identity
from guilder.entrypoints import serving
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Timetable
from guilder.wiring.reactions import REACTION_LIST
from guilder.wiring.timetable import JOBS

RENEWALS, ROUNDS = 3_000, 3
# Of what the cores would give, and how many times as much at most.
SHARE, TARGET, WHOLE_TARGET = 0.8, 1.6, 0.2
CORES = os.cpu_count() or 1
TICKS = os.sysconf("SC_CLK_TCK")
LIMIT_S, LOOK_S = 300, 0.05
BILLING = tuple(job for job in JOBS if job.name in ("invoicing.bill_due", "invoicing.recognize_due"))
DUE = "select count(*) from subscriptions.subscriptions where next_due_at <= $1"


class Took(NamedTuple):
    """One round by so many workers: its seconds, those of the same rows, set-based, in bare tables, and cores kept busy."""

    seconds: float
    bare_s: float
    cores: float

    @property
    def ratio(self) -> float:
        return self.bare_s / self.seconds


async def work(way: Way, stop: asyncio.Event, ready: Callable[[], None], given: Any) -> list[dict[str, Any]]:
    """Do everything once the word is given; return what was charged at this process's side of the bank."""
    key, due_at, go = given
    serving.spare_what_stays()
    bank, clock = Bank(), SetClock(due_at - timedelta(minutes=1))
    database = await Database.connect(way.url, size_max=20, vault=Vault(KeyRing.parse(key)))
    clocks = identity.Clocks(clock)
    consumer = Consumer(database, Reactions(REACTION_LIST), clocks, WallClock())
    runner = calling(database, bank, clocks)
    await consumer.register()
    ready()
    while not go.is_set() and not stop.is_set():
        await asyncio.sleep(0.01)
    clock.instant = due_at
    roles = (consumer, runner, Sequencer(database), Scheduler(database, Timetable(BILLING), clock=clock))
    await asyncio.gather(*(each.run(stop) for each in roles))
    await database.close()
    return bank.charges


def busy_s() -> float:
    """Return for how many seconds all cores of this machine together have been busy since it was started; Linux only."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split(maxsplit=8)[1:8])
    return (user + nice + system + irq + softirq) / TICKS


async def renewed(admin: Admin, due_at: datetime, go: Any) -> tuple[float, float]:
    """Give the word, and wait until all that is due is done; return the seconds, and how many cores were busy meanwhile."""
    began, busy = time.perf_counter(), busy_s()
    go.set()
    while await admin.fetchval(DUE, due_at) or await admin.fetchval(BEHIND):
        if time.perf_counter() - began > LIMIT_S:
            raise Wrong(f"not everything was done within {LIMIT_S} s")
        await asyncio.sleep(LOOK_S)
    seconds = time.perf_counter() - began
    return seconds, (busy_s() - busy) / seconds


async def run_one(house: House, server: Server, count: int, *, renewals: int, began: datetime) -> Took:
    cohort, due_at = await a_subscribed_cohort(house, size=renewals, at=began)
    await server.admin.execute("vacuum analyze")
    since = await bare.mark(server.admin)
    go = mp.get_context("spawn").Event()
    with processes(Way(server.app_url), work, count, (house.key, due_at, go)) as told, quiet():
        seconds, cores = await renewed(server.admin, due_at, go)
    for charges in told:
        house.bank.charged(charges)
    house.clock.instant = due_at
    await do_job(house, "invoicing.recognize_due")
    await house.settle()
    await check_cohort(house, cohort, server.admin)
    yardstick = await bare.measure(server.admin, since=since, subscriptions=renewals)
    return Took(seconds, yardstick.set_based_s, cores)


async def run(server: Server, *, renewals: int, rounds: int) -> tuple[list[tuple[Took, Took]], int]:
    """Return what each round took, by one and by two, and how many checks were made."""
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    found = []
    try:
        await run_one(house, server, 1, renewals=WARM, began=began)
        for each in range(rounds):
            took = {}
            for count in (1, 2) if each % 2 == 0 else (2, 1):
                print(f"  {count} at work, round {each + 1}", file=sys.stderr, flush=True)
                took[count] = await run_one(house, server, count, renewals=renewals, began=began)
            found.append((took[1], took[2]))
        return found, await check_house(house, server)
    finally:
        await house.database.close()


async def main() -> int:
    renewals = int(sys.argv[1]) if len(sys.argv) > 1 else RENEWALS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        found, checks = await run(server, renewals=renewals, rounds=rounds)
        ratio = median(one.seconds / two.seconds for one, two in found)
        rates = [round(renewals / median(took.seconds for took in by)) for by in zip(*found, strict=True)]
        whole = [median(took.ratio for took in by) for by in zip(*found, strict=True)]
        cores = [round(median(took.cores for took in by), 2) for by in zip(*found, strict=True)]
        figures = {"renewals": renewals, "one_per_s": rates[0], "two_per_s": rates[1]}
        figures |= {"cores": CORES, "one_cores": cores[0], "two_cores": cores[1]}
        target = round(min(TARGET, SHARE * CORES / cores[0]), 2)
        unit = "of set-based SQL, same rows, bare tables"
        rows = [
            row("whole journey, by one worker", whole[0], WHOLE_TARGET, unit=unit, figures={"per_s": rates[0]}),
            row("whole journey, by two workers", whole[1], WHOLE_TARGET, unit=unit, figures={"per_s": rates[1]}),
            row("two workers, whole way", ratio, target, unit="times one worker", figures=figures),
        ]
        path = await write_down("pair", server.admin, {"rounds": found, "rows": rows})
    print(f"\n{renewals:,} renewals due at once: due -> invoiced -> charged -> settled -> access -> announced")
    print(f"one worker {rates[0]:,} /s, two {rates[1]:,} /s: {ratio:.2f} times (medians of {rounds} rounds)")
    print(f"cores busy of {CORES}: {cores[0]:.2f} with one, {cores[1]:.2f} with two")
    print(f"of set-based SQL in bare tables: {whole[0]:.3f} and {whole[1]:.3f}")
    print(f"right: counts, books, numbers, money at the bank, {checks} checks of the doctor's")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
