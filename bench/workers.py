"""Renewals on their whole way with 1, 2 and 4 workers: through PostgreSQL alone, and through Kafka, in the same run.

    python bench/workers.py [renewals] [workers]        (1,000 and 1,2,4)

A cohort with saved cards falls due at once. The scheduler's job and the sequencer run here; who hears the log and calls
the bank are processes of their own, as `guilder work` puts them together, and so is the relay. Measured is the time from
the first bill until nothing is behind in any group and no charge waits. Ratios are "through Kafka : through PostgreSQL" in
time a renewal. No figure is shown unless counts, books, numbers, charges and the doctor are right.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from _bank import Bank
from _check import check_cohort, check_house
from _cohort import Cohort, House, SetClock, a_cohort, a_house, calling
from _meter import Meter, connect
from _server import Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _ways import Way, processes
from journey import do_job, subscribe

sys.path.insert(0, str(Path(__file__).parents[1]))
from guilder.domain.identity import service as identity
from guilder.entrypoints import serving
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.vault import Vault
from guilder.wiring.reactions import REACTION_LIST
from tests.support.kafka import broker, missing

RENEWALS = 1_000
WORKERS = (1, 2, 4)
WARM = 20
SUBSCRIBED_BEFORE = timedelta(days=35)
# The cohort that warms up falls due before the one that is measured.
APART = timedelta(hours=1)
GATHER_S = 8
LIMIT_S = 900
# A relay has had its part when whoever hears has: and where there are no brokers, one of a run before is behind for good.
# What is cheap to ask comes first: looks take their share of the cores that are measured.
BEHIND = """
select exists (select from platform.log where position is null)
    or exists (select from platform.intents where state = 'dead')
    or exists (select from platform.intents
                where state = 'waiting' and destination between 'gateway:' and 'gateway:~')
    or exists (select from platform.log_lag() where group_name <> 'relay' and behind + parked + dead > 0)"""


async def work(way: Way, stop: asyncio.Event, ready: Callable[[], None], given: Any) -> list[dict[str, Any]]:
    """Be a worker; return what was charged at its side of the bank."""
    key, now = given
    serving.spare_what_stays()
    bank, clocks = Bank(), identity.Clocks(SetClock(now))
    database = await connect(way.url, Meter(), Vault(KeyRing.parse(key)))
    consumer = Consumer(database, Reactions(REACTION_LIST), clocks, WallClock(), transport=way.transport(database))
    runner = calling(database, bank, clocks)
    await consumer.register()
    ready()
    await asyncio.gather(consumer.run(stop), runner.run(stop))
    await database.close()
    return bank.charges


@asynccontextmanager
async def sequencing(house: House) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(Sequencer(house.database).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def a_subscribed_cohort(house: House, *, size: int, at: datetime) -> tuple[Cohort, datetime]:
    """Return the cohort, and when all of it renews."""
    house.clock.instant = at
    cohort = await a_cohort(house, size=size)
    await subscribe(house, cohort)
    await house.settle()
    async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
        due_at = await tx.fetchval("select max(next_due_at) from subscriptions.subscriptions")
    return cohort, due_at


async def renewed(house: House, server: Server, due_at: datetime) -> float:
    """Bill what is due, and wait until all that follows from it is done; return the seconds."""
    house.clock.instant = due_at
    began = time.perf_counter()
    await do_job(house, "invoicing.bill_due")
    while await server.admin.fetchval(BEHIND):
        if time.perf_counter() - began > LIMIT_S:
            raise Wrong(f"not everything was done within {LIMIT_S} s")
        await asyncio.sleep(0.05)
    return time.perf_counter() - began


async def run_one(
    house: House, server: Server, way: Way, count: int, *, renewals: int, began: datetime
) -> dict[str, Any]:
    first, first_due = await a_subscribed_cohort(house, size=WARM, at=began - APART)
    second, second_due = await a_subscribed_cohort(house, size=renewals, at=began)
    await server.admin.execute("analyze")
    with processes(way, work, count, (house.key, second_due)) as told:
        async with sequencing(house):
            await asyncio.sleep(GATHER_S)
            await renewed(house, server, first_due)
            seconds = await renewed(house, server, second_due)
    for charges in told:
        house.bank.charged(charges)
    await do_job(house, "invoicing.recognize_due")
    await house.settle()
    for cohort in (first, second):
        await check_cohort(house, cohort, server.admin)
    return {"workers": count, "per_s": renewals / seconds, "ms": seconds * 1_000 / renewals}


async def measure(
    server: Server, servers: str, *, renewals: int, workers: tuple[int, ...]
) -> tuple[dict[str, list[dict[str, Any]]], int]:
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    figures: dict[str, list[dict[str, Any]]] = {"postgres": [], "kafka": []}
    try:
        for count in workers:
            for kind, way in (
                ("postgres", Way(server.app_url)),
                ("kafka", Way(server.app_url, servers, f"b{uuid4().hex[:8]}.")),
            ):
                print(f"  {count} workers, {kind}", file=sys.stderr, flush=True)
                figures[kind].append(await run_one(house, server, way, count, renewals=renewals, began=began))
        return figures, await check_house(house, server)
    finally:
        await house.database.close()


def show(figures: dict[str, list[dict[str, Any]]], renewals: int, checks: int) -> None:
    print(f"\n{renewals:,} renewals due at once: due -> invoiced -> charged -> settled -> access -> announced")
    print(f"{'workers':<9}{'PostgreSQL':>14}{'Kafka':>14}{'ratio':>9}")
    for plain, over in zip(figures["postgres"], figures["kafka"], strict=True):
        ratio = over["ms"] / plain["ms"]
        print(f"{plain['workers']:<9}{plain['per_s']:>12,.0f}/s{over['per_s']:>12,.0f}/s{ratio:>7.2f}:1")
    print(f"right: counts, books, numbers, money at the bank, {checks} checks of the doctor's")


async def main() -> int:
    renewals = int(sys.argv[1]) if len(sys.argv) > 1 else RENEWALS
    workers = tuple(map(int, sys.argv[2].split(","))) if len(sys.argv) > 2 else WORKERS
    if (lacking := missing()) is not None:
        print(f"No figures: {lacking} is missing; `make system` brings it", file=sys.stderr)
        return 1
    async with a_server() as server:
        with broker() as brokers:
            figures, checks = await measure(server, brokers.servers, renewals=renewals, workers=workers)
        path = await write_down("workers", server.admin, {"renewals": renewals, **figures})
    show(figures, renewals, checks)
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
