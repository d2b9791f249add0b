"""How fast the log is, beside what PostgreSQL does for the same rows without any promise; and whether it was right.

    python bench/log.py [events]        (20,000)

On a durable server of its own (fsync on), which is taken down again. Three yardsticks in the same run: plain inserts and
selects, and a queue as one would write it in an afternoon (rows deleted with FOR UPDATE SKIP LOCKED in the transaction
of their effects: once each, and no order, no second group, no replay); and a bare sequencer with three bare readers (one
row of a cursor each, no partitions, no groups that come and go, nothing held back for a customer whose event failed). Every ratio is "the log : the yardstick" in time
a message. No figure is shown unless everything arrived once in every group, and in order of each customer.
"""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any, ClassVar
from uuid import UUID

from _server import Admin, Wrong, a_server, refusing_what_is_wrong, write_down

from guilder.entrypoints import serving
from guilder.kernel import ids
from guilder.kernel.event import Event, Message
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.platform.bus import codec, outbox
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.bus.sequencer import ROWS_MAX, Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
BATCH = 500
CUSTOMERS = 2_000
SINGLES = 200
NOW = datetime.now(UTC)
TENANT = TenantId(ids.new(NOW))

PLAIN = """
create schema bench;
create table bench.plain (id bigserial primary key, tenant_id uuid, key uuid, name text, payload jsonb, at timestamptz);
create table bench.queue (id bigserial primary key, tenant_id uuid, key uuid, name text, payload jsonb, at timestamptz);
create table bench.sequenced (id bigserial primary key, position bigint, tenant_id uuid, key uuid, name text, payload jsonb,
                              at timestamptz);
create unique index on bench.sequenced (position);
create index on bench.sequenced (id) where position is null;
create sequence bench.positions;
create table bench.cursors (name text primary key, position bigint not null);
insert into bench.cursors select n, 0 from unnest(array['one', 'two', 'three']) n;
create table bench.effects (tenant_id uuid not null, group_name text not null, key uuid not null, n int not null);
grant usage on schema bench to guilder_app;
grant select, insert, delete, update on all tables in schema bench to guilder_app;
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

    def on_the_wall(self) -> datetime:
        return datetime.now(UTC)


class Report:
    """Keeps what was measured until it is known to have been right."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.rates: dict[str, float] = {}
        self.beside: dict[str, str | None] = {}

    @asynccontextmanager
    async def measured(self, what: str, count: int, *, beside: str | None = None) -> AsyncIterator[None]:
        print(f"  {what}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        yield
        self.note(what, count, time.perf_counter() - began, beside=beside)

    def note(self, what: str, count: int, seconds: float, *, beside: str | None = None) -> None:
        self.seconds[what], self.rates[what], self.beside[what] = seconds, count / seconds, beside

    def ratio(self, what: str) -> float | None:
        beside = self.beside[what]
        return self.rates[beside] / self.rates[what] if beside else None

    def show(self) -> None:
        for what, rate in self.rates.items():
            ratio = self.ratio(what)
            print(f"{what:<58} {rate:>10,.0f} /s" + (f"   {ratio:.2f} : 1 {self.beside[what]}" if ratio else ""))

    def as_json(self) -> dict[str, Any]:
        return {
            what: {"per_s": round(rate), "beside": self.beside[what], "times_as_long": self.ratio(what)}
            for what, rate in self.rates.items()
        }


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
            await write_effects(tx, group, [message.event for message in messages])

    return Reaction(group, Benched, on_benched)


def consumer(database: Database, *groups: str, writes: bool) -> Consumer:
    reactions = Reactions([listening(group, writes=writes) for group in groups])
    return Consumer(database, reactions, OneClock(), WallClock(), batch_max=BATCH)


async def write_plainly(database: Database, made: Sequence[Benched], *, table: str = "plain") -> None:
    for chunk in chunks(made):
        async with database.transaction({TENANT}, actor="bench") as tx:
            await tx.execute(
                f"""insert into bench.{table} (tenant_id, key, name, payload, at)
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


async def work_off(database: Database) -> int:
    """Take everything off the bare queue, a batch a transaction, with an effect each."""
    count = 0
    while True:
        async with database.transaction({TENANT}, actor="bench") as tx:
            rows = await tx.fetch(
                """delete from bench.queue where id in (
                       select id from bench.queue order by id limit $1 for update skip locked) returning *""",
                BATCH,
            )
            events = [codec.decode(Benched, row["payload"]) for row in rows]
            await write_effects(tx, "queue", events)
        if not rows:
            return count
        count += len(rows)


async def write_effects(tx: Tx, group: str, heard: Sequence[Benched]) -> None:
    await tx.execute(
        "insert into bench.effects select t, $2, k, n from unnest($1::uuid[], $3::uuid[], $4::int[]) f (t, k, n)",
        [event.tenant_id for event in heard],
        group,
        [event.customer_id for event in heard],
        [event.n for event in heard],
    )


async def sequence_barely(database: Database) -> None:
    """Give positions as one would in an afternoon: a batch a transaction, one at a time."""
    while True:
        async with database.transaction({TENANT}, actor="bench") as tx:
            done = await tx.execute(
                """update bench.sequenced s set position = w.position
                     from (select id, nextval('bench.positions') as position
                             from (select id from bench.sequenced where position is null order by id limit $1) o) w
                    where s.id = w.id""",
                ROWS_MAX,
            )
        if not done:
            return


async def read_barely(database: Database, name: str) -> int:
    """Read on from a cursor, a batch a transaction, the cursor with it."""
    count = 0
    while True:
        async with database.transaction({TENANT}, actor="bench") as tx:
            last = await tx.fetchval("select position from bench.cursors where name = $1 for update", name)
            rows = await tx.fetch(
                "select * from bench.sequenced where position > $1 order by position limit $2", last, BATCH
            )
            for row in rows:
                codec.decode(Benched, row["payload"])
            if rows:
                await tx.execute("update bench.cursors set position = $2 where name = $1", name, rows[-1]["position"])
        if not rows:
            return count
        count += len(rows)


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


async def check(admin: Admin) -> None:
    """Everything arrived once in every group, and of each customer in the order of its announcement.

    :raises Wrong: it did not
    """
    heard = await admin.fetch(
        "select group_name, count(*) as rows, count(distinct (key, n)) as events from bench.effects group by 1"
    )
    found = {row["group_name"]: (row["rows"], row["events"]) for row in heard}
    if found != {"writes": (EVENTS, EVENTS), "queue": (EVENTS, EVENTS)}:
        raise Wrong(f"heard (messages, of them different): {found}, and not {EVENTS}")
    if gaps := await admin.fetch("select partition from platform.log group by 1 having max(position) <> count(*)"):
        raise Wrong(f"positions with gaps: {gaps}")
    disorder = await admin.fetch(
        """select from (select key, (payload->>'n')::int - lag((payload->>'n')::int)
                                    over (partition by key order by position) as step from platform.log) s
            where step <> 1"""
    )
    if disorder:
        raise Wrong(f"{len(disorder)} messages out of order")
    if behind := await admin.fetch("select * from platform.log_lag() where behind + parked + dead > 0"):
        raise Wrong(f"groups that are behind: {behind}")


INSERTED = "plain inserts"
READ = "an indexed select"
QUEUED = "a bare queue, in and out"
BARE = "a bare sequencer and three bare readers, with the inserts"
LOG = "the log, announced and heard by three groups"
TARGET = 0.5


async def measure(database: Database, report: Report) -> None:
    made = events()
    async with report.measured(INSERTED, EVENTS):
        await write_plainly(database, made)
    async with report.measured("log: announced", EVENTS, beside=INSERTED):
        await announce(database, made)
    async with report.measured("log: given positions", EVENTS, beside=INSERTED):
        await Sequencer(database).drain()
    async with report.measured(READ, EVENTS):
        if await read_plainly(database) != EVENTS:
            raise Wrong("the plain table does not hold every event")
    async with report.measured("log: heard, by three groups", 3 * EVENTS, beside=READ):
        await consumer(database, "one", "two", "three", writes=False).drain()
    async with report.measured("log: heard, with an effect each", EVENTS, beside=INSERTED):
        await consumer(database, "writes", writes=True).drain()
    async with report.measured("a bare queue: put in", EVENTS, beside=INSERTED):
        await write_plainly(database, made, table="queue")
    async with report.measured("a bare queue: taken out, with an effect each", EVENTS, beside=INSERTED):
        if await work_off(database) != EVENTS:
            raise Wrong("the bare queue did not give back every event")
    took = report.seconds
    report.note(QUEUED, EVENTS, took["a bare queue: put in"] + took["a bare queue: taken out, with an effect each"])
    whole = [took[f"log: {step}"] for step in ("announced", "given positions", "heard, with an effect each")]
    report.note("the log, in and out to one group", EVENTS, sum(whole), beside=QUEUED)
    async with report.measured(BARE, EVENTS):
        await write_plainly(database, made, table="sequenced")
        await sequence_barely(database)
        for name in ("one", "two", "three"):
            if await read_barely(database, name) != EVENTS:
                raise Wrong("a bare reader did not read every event")
    to_three = sum(took[f"log: {step}"] for step in ("announced", "given positions", "heard, by three groups"))
    report.note(LOG, EVENTS, to_three, beside=BARE)


async def run(database: Database, admin: Admin) -> None:
    report = Report()
    await measure(database, report)
    await check(admin)
    took = await latencies(database)
    middle, late = median(took), quantiles(took, n=20)[-1]
    said = {
        "events": EVENTS,
        "batch": BATCH,
        "measured": report.as_json(),
        "one_event_ms": {"median": middle, "p95": late},
    }
    figures = {"per_s": round(report.rates[LOG]), "one_event_p95_ms": late}
    reached = report.rates[LOG] / report.rates[BARE]
    row = {"what": "the log", "ratio": reached, "target": TARGET, "unit": "of a bare sequencer with three bare readers"}
    path = await write_down("log", admin, {**said, "rows": [{**row, "figures": figures, "at_most": False}]})
    print(
        f"\n{EVENTS:,} events of {CUSTOMERS:,} customers, {BATCH} a transaction, one client; ratios of time a message"
    )
    report.show()
    print(f"{'one event, announced to handled':<58} {middle:>7.1f} ms (p95 {late:.1f} ms)")
    print("right: complete, once each, in order per customer")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")


async def main() -> int:
    serving.spare_what_stays()  # as workers do
    async with a_server() as server:
        await server.admin.execute("set role guilder_owner")
        await server.admin.execute(PLAIN)
        await server.admin.execute("reset role")
        database = await Database.connect(server.app_url)
        try:
            await run(database, server.admin)
        finally:
            await database.close()
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
