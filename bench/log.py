"""How fast the log is, beside what PostgreSQL does for the same rows without any promise; and whether it was right.

    python bench/log.py [events]

On a durable server of its own (fsync on), which is taken down again. Every ratio is "the log : the yardstick".
"""

import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import ClassVar
from uuid import UUID

import asyncpg

from guilder.kernel import ids
from guilder.kernel.event import Event, Message
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.platform.bus import codec, outbox
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.database import Database
from guilder.platform.db.embedded import EmbeddedPostgres
from guilder.platform.db.migrate import migrate
from guilder.platform.db.tx import Tx

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
BATCH = 500
CUSTOMERS = 2_000
SINGLES = 200
NOW = datetime.now(UTC)
TENANT = TenantId(ids.new(NOW))

PLAIN = """
create schema bench;
create table bench.plain (id bigserial primary key, tenant_id uuid, key uuid, name text, payload jsonb, at timestamptz);
create table bench.effects (tenant_id uuid not null, group_name text not null, key uuid not null, n int not null);
grant usage on schema bench to guilder_app;
grant select, insert on all tables in schema bench to guilder_app;
grant usage on all sequences in schema bench to guilder_app;
select platform.protect('bench.effects');
"""


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


class Report:
    def __init__(self) -> None:
        self.rates: dict[str, float] = {}

    @asynccontextmanager
    async def measured(self, what: str, count: int, *, beside: str | None = None) -> AsyncIterator[None]:
        began = time.perf_counter()
        yield
        rate = self.rates[what] = count / (time.perf_counter() - began)
        ratio = f"   1 : {self.rates[beside] / rate:.1f}" if beside else ""
        print(f"{what:<52} {rate:>10,.0f} /s{ratio}", flush=True)


def events() -> list[Benched]:
    customers = [CustomerId(each) for each in ids.new_many(NOW, CUSTOMERS)]
    return [
        Benched(tenant_id=TENANT, customer_id=customers[n % CUSTOMERS], paid=Money(n, "EUR"), n=n // CUSTOMERS)
        for n in range(EVENTS)
    ]


def chunks(made: Sequence[Benched]) -> list[Sequence[Benched]]:
    return [made[n : n + BATCH] for n in range(0, len(made), BATCH)]


def listening(group: str, *, writes: bool) -> Reaction:
    async def on_benched(tx: Tx, messages: Sequence[Message[Benched]], *, now: datetime) -> None:
        if writes:
            await tx.execute(
                "insert into bench.effects select t, $2, k, n from unnest($1::uuid[], $3::uuid[], $4::int[]) f (t, k, n)",
                [message.event.tenant_id for message in messages],
                group,
                [message.event.customer_id for message in messages],
                [message.event.n for message in messages],
            )

    return Reaction(group, Benched, on_benched)


def consumer(database: Database, *groups: str, writes: bool) -> Consumer:
    reactions = Reactions([listening(group, writes=writes) for group in groups])
    return Consumer(database, reactions, OneClock(), WallClock(), batch_max=BATCH)


async def write_plainly(database: Database, made: Sequence[Benched]) -> None:
    for chunk in chunks(made):
        async with database.transaction({TENANT}, actor="bench") as tx:
            await tx.execute(
                """insert into bench.plain (tenant_id, key, name, payload, at)
                   select $1, k, $2, p, $3 from unnest($4::uuid[], $5::jsonb[]) as f (k, p)""",
                TENANT,
                Benched.name,
                NOW,
                [event.customer_id for event in chunk],
                [codec.encode(event).decode() for event in chunk],
            )


async def read_plainly(database: Database) -> int:
    last, count = 0, 0
    while True:
        async with database.transaction({TENANT}, actor="bench") as tx:
            rows = await tx.fetch("select * from bench.plain where id > $1 order by id limit $2", last, BATCH)
            for row in rows:
                codec.decode(Benched, row["payload"])
        if not rows:
            return count
        last, count = rows[-1]["id"], count + len(rows)


async def announce(database: Database, made: Sequence[Benched]) -> None:
    for chunk in chunks(made):
        async with database.transaction({TENANT}, actor="bench") as tx:
            outbox.announce(tx, chunk, now=NOW)


async def latencies(database: Database) -> list[float]:
    """Announce one event at a time while everything runs; return how long each took to be handled, in milliseconds."""
    handled: dict[UUID, asyncio.Event] = defaultdict(asyncio.Event)

    async def on_benched(tx: Tx, messages: Sequence[Message[Benched]], *, now: datetime) -> None:
        for message in messages:
            handled[message.event.customer_id].set()

    stop = asyncio.Event()
    worker = Consumer(database, Reactions([Reaction("latency", Benched, on_benched)]), OneClock(), WallClock())
    await worker.drain()
    running = [asyncio.create_task(each.run(stop)) for each in (Sequencer(database), worker)]
    await asyncio.sleep(0.5)
    took = []
    for _ in range(SINGLES):
        customer = CustomerId(ids.new(NOW))
        began = time.perf_counter()
        async with database.transaction({TENANT}, actor="bench") as tx:
            outbox.announce(tx, [Benched(tenant_id=TENANT, customer_id=customer, paid=Money(1, "EUR"), n=0)], now=NOW)
        await handled[customer].wait()
        took.append((time.perf_counter() - began) * 1_000)
    stop.set()
    await asyncio.gather(*running)
    return took


async def check(admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Everything arrived once in every group, and of each customer in the order of its announcement."""
    heard = await admin.fetch(
        "select group_name, count(*) as rows, count(distinct (key, n)) as events from bench.effects group by 1"
    )
    assert {row["group_name"]: (row["rows"], row["events"]) for row in heard} == {"writes": (EVENTS, EVENTS)}, heard
    gaps = await admin.fetch("select partition from platform.log group by 1 having max(position) <> count(*)")
    disorder = await admin.fetch(
        """select from (select key, (payload->>'n')::int - lag((payload->>'n')::int)
                                    over (partition by key order by position) as step from platform.log) s
            where step <> 1"""
    )
    assert not gaps, gaps
    assert not disorder, len(disorder)
    behind = await admin.fetch("select * from platform.log_lag() where behind + parked + dead > 0")
    assert not behind, behind


async def run(database: Database, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    report, made = Report(), events()
    print(f"{EVENTS:,} events of {CUSTOMERS:,} customers, {BATCH} a transaction, one client")
    async with report.measured("yardstick: insert-select into a plain table", EVENTS):
        await write_plainly(database, made)
    async with report.measured("announced", EVENTS, beside="yardstick: insert-select into a plain table"):
        await announce(database, made)
    async with report.measured("given positions", EVENTS, beside="yardstick: insert-select into a plain table"):
        await Sequencer(database).drain()
    async with report.measured("yardstick: indexed select, and read as events", EVENTS):
        assert await read_plainly(database) == EVENTS
    async with report.measured(
        "heard, by three groups", 3 * EVENTS, beside="yardstick: indexed select, and read as events"
    ):
        await consumer(database, "one", "two", "three", writes=False).drain()
    async with report.measured(
        "heard, with an effect each", EVENTS, beside="yardstick: insert-select into a plain table"
    ):
        await consumer(database, "writes", writes=True).drain()
    await check(admin)
    took = await latencies(database)
    print(f"{'one event, announced to handled':<52} {median(took):>7.1f} ms (p95 {quantiles(took, n=20)[-1]:.1f} ms)")
    print("complete, once each, in order per customer: yes")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="guilder-bench-") as folder:
        Path(folder).chmod(0o711)  # the server may run as somebody else
        server = EmbeddedPostgres(Path(folder) / "postgres")
        found = server.start()
        try:
            await migrate(found.owner_url, report=lambda _: None)
            owner = await asyncpg.connect(found.owner_url)
            await owner.execute(PLAIN)
            await owner.close()
            admin = await asyncpg.connect(server.admin_url("guilder"))
            database = await Database.connect(found.app_url)
            try:
                await run(database, admin)
            finally:
                await database.close()
                await admin.close()
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main())
