"""How fast the log is through Kafka, beside itself through PostgreSQL alone; with 1, 2 and 4 workers; and whether it was right.

    python bench/kafka.py [events] [workers]        (20,000 and 1,2,4)

Workers, each a process, and the relay in one of its own have gathered; events lie announced, and the sequencer begins. They
are heard in three groups with an effect each, on a durable PostgreSQL and a real broker of this machine's. Measured is the
time until every group has handled every event; then one event at a time, announced to handled. Ratios are "through Kafka :
through PostgreSQL" in time a message. No figure is shown unless everything arrived once in every group, in order.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, ClassVar
from uuid import uuid4

from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _ways import Way, processes

sys.path.insert(0, str(Path(__file__).parents[1]))
from guilder.kernel import ids
from guilder.kernel.event import Event, Message
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.platform import metrics
from guilder.platform.bus import outbox
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from tests.support.kafka import broker, missing

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
WORKERS = tuple(map(int, sys.argv[2].split(","))) if len(sys.argv) > 2 else (1, 2, 4)
GROUPS = ("one", "two", "three")
BATCH = 500
CUSTOMERS = 2_000
SINGLES = 50
WARM = 200
# Until the consumer groups have gathered at the topics.
GATHER_S = 8
LIMIT_S = 600
NOW = datetime.now(UTC)
TENANT = TenantId(ids.new(NOW))

EFFECTS = """
create schema bench;
create table bench.effects (seq bigserial, tenant_id uuid not null, group_name text not null, key uuid not null, n int not null);
grant usage on schema bench to guilder_app;
grant select, insert on bench.effects to guilder_app;
grant usage on sequence bench.effects_seq_seq to guilder_app;
select platform.protect('bench.effects');
"""
EMPTY = """truncate platform.log, platform.log_heads, platform.log_extents, platform.log_groups, platform.log_cursors,
                    platform.log_parked, platform.log_relays, bench.effects"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benched(Event):
    name: ClassVar = "bench.benched"
    topic: ClassVar = "bench.events"

    customer_id: CustomerId
    paid: Money
    n: int


class OneClock:
    async def domains(self, tx: Tx, tenants: Iterable[TenantId]) -> list[ClockDomain]:
        return [ClockDomain(frozenset(tenants), datetime.now(UTC))]

    def on_the_wall(self) -> datetime:
        return datetime.now(UTC)


async def write_effects(tx: Tx, group: str, messages: Sequence[Message[Benched]]) -> None:
    await tx.execute(
        "insert into bench.effects (tenant_id, group_name, key, n) select t, $2, k, n from unnest($1::uuid[], $3::uuid[], $4::int[]) f (t, k, n)",
        [message.event.tenant_id for message in messages],
        group,
        [message.event.customer_id for message in messages],
        [message.event.n for message in messages],
    )


def reaction(group: str) -> Reaction:
    async def on_benched(tx: Tx, messages: Sequence[Message[Benched]], *, now: datetime) -> None:
        await write_effects(tx, group, messages)

    return Reaction(group, Benched, on_benched)


async def work(way: Way, stop: asyncio.Event, ready: Callable[[], None], given: Any) -> list[float]:
    """Be a worker; return how many rows records told of, and how many the log."""
    database = await Database.connect(way.url, size_max=6)
    consumer = Consumer(
        database,
        Reactions([reaction(group) for group in GROUPS]),
        OneClock(),
        WallClock(),
        batch_max=BATCH,
        transport=way.transport(database),
    )
    await consumer.register()
    ready()
    await consumer.run(stop)
    await database.close()
    value = metrics.registry.get_sample_value
    return [value("guilder_transport_rows_total", {"source": each}) or 0 for each in ("broker", "log")]


@asynccontextmanager
async def sequencing(database: Database) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(Sequencer(database).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


def events(start: int, count: int) -> list[Benched]:
    return [
        Benched(tenant_id=TENANT, customer_id=_CUSTOMERS[n % CUSTOMERS], paid=Money(n, "EUR"), n=n // CUSTOMERS)
        for n in range(start, start + count)
    ]


_CUSTOMERS = [CustomerId(each) for each in ids.new_many(NOW, CUSTOMERS)]


async def announce(database: Database, made: Sequence[Benched]) -> None:
    for n in range(0, len(made), BATCH):
        async with database.transaction({TENANT}, actor="bench") as tx:
            outbox.announce(tx, made[n : n + BATCH], now=NOW)


async def handled(admin: Admin, count: int) -> None:
    began = time.perf_counter()
    while await admin.fetchval("select count(*) from bench.effects") < count:
        if time.perf_counter() - began > LIMIT_S:
            raise Wrong(f"not everything was heard within {LIMIT_S} s")
        await asyncio.sleep(0.02)


async def check(admin: Admin, count: int) -> None:
    """Everything arrived once in every group, and of each customer in order.

    :raises Wrong: it did not
    """
    heard = await admin.fetch(
        "select group_name, count(*) as rows, count(distinct (key, n)) as events from bench.effects group by 1"
    )
    found = {row["group_name"]: (row["rows"], row["events"]) for row in heard}
    if found != dict.fromkeys(GROUPS, (count, count)):
        raise Wrong(f"heard (messages, of them different): {found}, and not {count}")
    if await admin.fetchval("select count(*) from platform.log_parked"):
        raise Wrong("messages were parked")
    disorder = await admin.fetch(
        """select from (select key, group_name, n - lag(n) over (partition by group_name, key order by seq) as step
                          from bench.effects) s where step <> 1"""
    )
    if disorder:
        raise Wrong(f"{len(disorder)} effects out of order")


async def one_by_one(database: Database, admin: Admin) -> list[float]:
    took = []
    for n in range(SINGLES):
        before = await admin.fetchval("select count(*) from bench.effects where group_name = 'one'")
        began = time.perf_counter()
        await announce(database, events(WARM + EVENTS + n, 1))
        while await admin.fetchval("select count(*) from bench.effects where group_name = 'one'") == before:
            await asyncio.sleep(0.001)
        took.append((time.perf_counter() - began) * 1_000)
        await asyncio.sleep(0.02)
    return took


async def run_one(server: Server, way: Way, count: int) -> dict[str, Any]:
    await server.admin.execute(EMPTY)
    database = await Database.connect(server.app_url)
    try:
        with processes(way, work, count) as told:
            async with sequencing(database):
                await announce(database, events(0, WARM))
                await handled(server.admin, WARM * len(GROUPS))
                await asyncio.sleep(GATHER_S)
            await announce(database, events(WARM, EVENTS))
            began = time.perf_counter()
            async with sequencing(database):
                await handled(server.admin, (WARM + EVENTS) * len(GROUPS))
                seconds = time.perf_counter() - began
                await asyncio.sleep(2)
                took = await one_by_one(database, server.admin)
                await handled(server.admin, (WARM + EVENTS + SINGLES) * len(GROUPS))
        await check(server.admin, WARM + EVENTS + SINGLES)
    finally:
        await database.close()
    return {
        "workers": count,
        "per_s": EVENTS * len(GROUPS) / seconds,
        "one_ms": median(took),
        "one_p95_ms": quantiles(took, n=20)[-1],
        "told_by_records": sum(by for by, _ in told) / max(1, sum(map(sum, told))) if way.servers else None,
    }


async def measure(server: Server, servers: str) -> dict[str, list[dict[str, Any]]]:
    figures: dict[str, list[dict[str, Any]]] = {"postgres": [], "kafka": []}
    for count in WORKERS:
        print(f"  {count} workers", file=sys.stderr, flush=True)
        figures["postgres"].append(await run_one(server, Way(server.app_url), count))
        over = Way(server.app_url, servers, f"b{uuid4().hex[:8]}.")
        figures["kafka"].append(await run_one(server, over, count))
    return figures


def show(figures: dict[str, list[dict[str, Any]]]) -> None:
    print(f"\n{EVENTS:,} events of {CUSTOMERS:,} customers, {len(GROUPS)} groups with an effect each")
    print(f"{'workers':<9}{'PostgreSQL':>14}{'Kafka':>14}{'ratio':>9}   one event, median (p95)")
    for plain, over in zip(figures["postgres"], figures["kafka"], strict=True):
        print(
            f"{plain['workers']:<9}{plain['per_s']:>12,.0f}/s{over['per_s']:>12,.0f}/s"
            f"{plain['per_s'] / over['per_s']:>7.2f}:1   {plain['one_ms']:.1f} ({plain['one_p95_ms']:.1f}) ms, through Kafka "
            f"{over['one_ms']:.1f} ({over['one_p95_ms']:.1f}) ms; {over['told_by_records']:.0%} of rows told by records"
        )
    print("right: complete, once each in every group, in order per customer")


async def main() -> int:
    if (lacking := missing()) is not None:
        print(f"No figures: {lacking} is missing; `make system` brings it", file=sys.stderr)
        return 1
    async with a_server() as server:
        await server.admin.execute("set role guilder_owner")
        await server.admin.execute(EFFECTS)
        await server.admin.execute("reset role")
        with broker() as brokers:
            figures = await measure(server, brokers.servers)
        path = await write_down("kafka", server.admin, {"events": EVENTS, "batch": BATCH, **figures})
    show(figures)
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
