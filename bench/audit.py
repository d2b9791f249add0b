"""What the audit costs: an event in its chain, beside a bare insert of the same bytes; and one POST with and without it.

    python bench/audit.py [events]        (20,000)

On a durable server of its own (fsync on), which is taken down again. The yardstick is PostgreSQL's own insert of the same
payloads in batches of the same size, with one index. "Handled" is everything that the audit's group does: find, read, take
apart, hash, write with its indexes, move heads and cursor. Verifying is walked both ways. No figure is shown unless every
event is in its chain once, in order, and both ways of verifying find it sound.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from _server import Admin, Wrong, a_server, one_row, write_down

from guilder.domain.audit import handlers
from guilder.domain.audit import service as audit
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.domain.payments.events import PaymentRequested
from guilder.kernel import ids
from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.platform.bus import codec, outbox
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.wiring.doctor.run import inspect

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
BATCH = 500
CUSTOMERS = 2_000
NOW = datetime.now(UTC)
TENANT = TenantId(ids.new(NOW))

BARE = """
create schema bench;
create table bench.bare (id bigserial primary key, tenant_id uuid, key uuid, name text, payload text, at timestamptz);
grant usage on schema bench to guilder_app;
grant select, insert on bench.bare to guilder_app;
grant usage on all sequences in schema bench to guilder_app;
"""


class OneClock:
    async def domains(self, tx: Tx, tenants: Iterable[TenantId]) -> list[ClockDomain]:
        return [ClockDomain(frozenset(tenants), datetime.now(UTC))]

    def on_the_wall(self) -> datetime:
        return datetime.now(UTC)


class Figures:
    def __init__(self) -> None:
        self.microseconds: dict[str, float] = {}

    @asynccontextmanager
    async def of(self, what: str, count: int) -> AsyncIterator[None]:
        print(f"  {what}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        yield
        self.microseconds[what] = (time.perf_counter() - began) / count * 1e6

    def show(self) -> None:
        yardstick = self.microseconds["bare insert"]
        for what, each in self.microseconds.items():
            print(f"{what:<44} {each:>9.1f} us an event   {each / yardstick:6.2f} : 1 bare insert")


def events() -> list[Event]:
    customers = [CustomerId(each) for each in ids.new_many(NOW, CUSTOMERS)]
    return [
        PaymentRequested(
            tenant_id=TENANT,
            payment_id=ids.new(NOW),
            invoice_id=ids.new(NOW),
            customer_id=customers[n % CUSTOMERS],
            attempt=1,
            amount=Money(n, "EUR"),
        )
        for n in range(EVENTS)
    ]


def chunks(made: Sequence[Event]) -> list[Sequence[Event]]:
    return [made[n : n + BATCH] for n in range(0, len(made), BATCH)]


async def insert_barely(database: Database, made: Sequence[Event]) -> None:
    for chunk in chunks(made):
        async with database.transaction({TENANT}, actor="bench") as tx:
            await tx.execute(
                """insert into bench.bare (tenant_id, key, name, payload, at)
                   select $1, k, $2, p, $3 from unnest($4::uuid[], $5::text[]) as f (k, p)""",
                TENANT,
                chunk[0].name,
                NOW,
                [each.key_value for each in chunk],
                [codec.encode(each).decode() for each in chunk],
            )


async def announce(database: Database, made: Sequence[Event]) -> None:
    for chunk in chunks(made):
        async with database.transaction({TENANT}, actor="bench") as tx:
            outbox.announce(tx, chunk, now=NOW)
    await Sequencer(database).drain()


def a_consumer(database: Database, group: str, handler: Any) -> Consumer:
    reactions = Reactions([Reaction(group, Event, handler, hears_rows=True)])
    return Consumer(database, reactions, OneClock(), WallClock(), batch_max=BATCH)


async def nothing(tx: Tx, rows: Sequence[Any], *, now: datetime) -> None:
    """Do what every group has to do anyway, and no more."""


async def right(admin: Admin, expected: int) -> None:
    row = await one_row(
        admin,
        """select count(*) as n, count(distinct a.id) as ids,
                  count(*) filter (where a.id is null) as missing
             from platform.log l left join audit.records a on a.id = l.event_id""",
    )
    if row["n"] != row["ids"] or row["missing"] or row["n"] < expected:
        raise Wrong(f"not every event is in the audit once: {dict(row)}")


async def run() -> None:
    figures, made = Figures(), events()
    async with a_server() as server:
        await server.admin.execute(BARE)
        database = await Database.connect(server.app_url, size_max=8)
        async with database.transaction([TENANT], actor="bench") as tx:
            await identity.create_tenant(
                tx, tenant_id=TENANT, name="Bench", slug="bench", mode=Mode.TEST, time_zone="UTC", now=NOW
            )
        async with figures.of("bare insert", EVENTS):
            await insert_barely(database, made)
        async with figures.of("announced, and given its position", EVENTS):
            await announce(database, made)
        empty, auditing = a_consumer(database, "empty", nothing), a_consumer(database, "audit", handlers.on_rows)
        await empty.register()
        await auditing.register()
        async with figures.of("handled by a group that does nothing", EVENTS):
            await empty.drain()
        async with figures.of("handled by the audit", EVENTS):
            await auditing.drain()
        await right(server.admin, EVENTS)
        found = audit.Found()
        async with figures.of("verified in Python", EVENTS), database.transaction([TENANT], actor="bench") as tx:
            for chain in await audit.chains_of(tx):
                found.merge(await audit.verify_chain(tx, chain=chain))
        async with figures.of("examined by the doctor, all checks, in SQL", EVENTS), server.admin.transaction():
            report = await inspect(server.admin, now=datetime.now(UTC))
        if found.count or found.records < EVENTS or "I30" in report.counts or "I30b" in report.counts:
            raise Wrong(f"the chains are not sound: {found} {report.counts}")
        size = await server.admin.fetchval(
            """select sum(pg_total_relation_size(c.oid)) / $1 from pg_class c
                where c.relnamespace = 'audit'::regnamespace and c.relname ~ '^records_.*_\\d{6}$'""",
            EVENTS,
        )
        figures.show()
        print(f"{int(size)} bytes an event, indexes and all")
        await write_down("audit", server.admin, {"events": EVENTS, "us": figures.microseconds, "bytes": int(size)})
        await database.close()


if __name__ == "__main__":
    asyncio.run(run())
