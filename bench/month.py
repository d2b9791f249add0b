"""Rating a month of events for all customers, beside one GROUP BY over the same table.

    python bench/month.py [events] [rounds]        (1,000,000 3)

One tenant, 2,000 customers, 4 meters. All customers' use of the month is totalled by `usage.totals` as a billing run asks
for it, 500 customers a transaction and as many of them side by side as the run has (`at_once`), and priced by three
tiers. The yardstick is one GROUP BY by customer and meter, by the same role under the same row-level security, with the
helpers that PostgreSQL gives it, whose rows are read; it prices nothing. Rounds are in turn. Right means that every
total is the GROUP BY's, and every amount the one of its total. Processor time is without the GROUP BY's helpers, which
are gone when it is looked at.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from uuid import UUID

from _book import TIERS
from _crowd import backends_cpu_s
from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _table import row

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation, Meter, NewMeter
from guilder.domain.catalog.rules import rating
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Question
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.db.database import Database
from guilder.wiring.timetable import JOBS

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
CUSTOMERS, METERS, BATCH = 2_000, 4, 500
AT_ONCE = next(each.at_once for each in JOBS if each.name == "invoicing.bill_due")
TARGET = 0.7
MONTH = timedelta(days=30)

Totals = dict[tuple[UUID, UUID], Decimal]


@dataclass(frozen=True, slots=True)
class Ground:
    tenant_id: TenantId
    customers: list[CustomerId]
    meters: list[Meter]
    starts_at: datetime

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + MONTH


async def seed(database: Database, admin: Admin) -> Ground:
    now = datetime.now(UTC)
    tenant_id = TenantId(ids.new(now))
    async with database.transaction([tenant_id], actor="bench") as tx:
        await identity.create_tenant(
            tx, tenant_id=tenant_id, name="Bench", slug="bench", mode=Mode.LIVE, time_zone="UTC", now=now
        )
        meters = [
            await catalog.create_meter(
                tx, meter=NewMeter(code=f"calls{n}", name="Calls", aggregation=Aggregation.SUM), now=now
            )
            for n in range(METERS)
        ]
    ground = Ground(tenant_id, [CustomerId(each) for each in ids.new_many(now, CUSTOMERS)], meters, now - MONTH)
    await fill(admin, ground)
    return ground


async def fill(admin: Admin, ground: Ground) -> None:
    """Put a month's events there in the order of their arrival: every customer's lie among all the others'."""
    await admin.execute("set session_replication_role = replica")
    await admin.execute(
        """insert into usage.events (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                                     subscription_id, status, received_at, arrival)
           select $1, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid()::text,
                  ($2::uuid[])[1 + n % cardinality($2::uuid[])],
                  ($3::uuid[])[1 + n / cardinality($2::uuid[]) % cardinality($3::uuid[])],
                  'calls' || n / cardinality($2::uuid[]) % cardinality($3::uuid[]),
                  $5::timestamptz + n * interval '1 second' * (2592000.0 / ($4::int + 1)), 1 + n % 7, '{"zone": "eu"}',
                  null, 'counted', now(), nextval('usage.arrivals')
             from generate_series(1, $4::int) n""",
        ground.tenant_id,
        list(ground.customers),
        [each.id for each in ground.meters],
        EVENTS,
        ground.starts_at,
        timeout=900,
    )
    await admin.execute("set session_replication_role = origin")
    await admin.execute("vacuum analyze usage.events", timeout=900)
    await admin.execute("checkpoint")


async def group_by(database: Database, ground: Ground) -> Totals:
    async with database.transaction([ground.tenant_id], actor="bench") as tx:
        rows = await tx.fetch(
            """select customer_id, meter_id, sum(value) as quantity, count(*) as events from usage.events
                where tenant_id = $1 and at >= $2 and at < $3 and status = 'counted' group by 1, 2""",
            ground.tenant_id,
            ground.starts_at,
            ground.ends_at,
        )
    return {(each["customer_id"], each["meter_id"]): each["quantity"] for each in rows}


async def rate(database: Database, ground: Ground) -> tuple[Totals, int]:
    """Total and price everybody's month; return the totals, and what all of it comes to."""
    left = iter(range(0, len(ground.customers), BATCH))
    found: Totals = {}

    async def work() -> int:
        minor = 0
        for at in left:
            asked = questions(ground, ground.customers[at : at + BATCH])
            async with database.transaction([ground.tenant_id], actor="bench") as tx:
                answers = await usage.totals(tx, questions=asked)
            for question, [reading] in zip(asked, answers, strict=True):
                found[question.customer_id, question.meter.id] = reading.quantity
                minor += rating.rate(
                    TIERS, quantity=reading.quantity, events=reading.events, currency="EUR"
                ).amount.minor
        return minor

    return found, sum(await asyncio.gather(*(work() for _ in range(AT_ONCE))))


def questions(ground: Ground, some: Sequence[CustomerId]) -> list[Question]:
    return [
        Question(
            tenant_id=ground.tenant_id,
            customer_id=customer_id,
            meter=meter,
            starts_at=ground.starts_at,
            ends_at=ground.ends_at,
        )
        for customer_id in some
        for meter in ground.meters
    ]


def priced(quantity: Decimal) -> int:
    """Price a total by hand: 100 at 3, 100 at 2, and the rest at 1."""
    units = int(quantity)
    return 3 * min(units, 100) + 2 * min(max(units - 100, 0), 100) + max(units - 200, 0)


async def run(server: Server) -> None:
    database = await Database.connect(server.app_url)
    rated: list[tuple[float, float]] = []
    grouped: list[tuple[float, float]] = []
    try:
        ground = await seed(database, server.admin)
        await group_by(database, ground)  # what is read once is in memory for both
        await rate(database, ground)
        for number in range(ROUNDS):
            print(f"  round {number + 1}", file=sys.stderr, flush=True)
            began, cpu = time.perf_counter(), _cpu_s(server)
            wanted = await group_by(database, ground)
            grouped.append((time.perf_counter() - began, _cpu_s(server) - cpu))
            began, cpu = time.perf_counter(), _cpu_s(server)
            found, minor = await rate(database, ground)
            rated.append((time.perf_counter() - began, _cpu_s(server) - cpu))
            if {key: each for key, each in found.items() if each} != wanted:
                raise Wrong("totals are not those of the GROUP BY")
            if minor != sum(map(priced, wanted.values())):
                raise Wrong(f"all of it comes to {minor}")
    finally:
        await database.close()
    await tell(server, rated, grouped)


def _cpu_s(server: Server) -> float:
    return time.process_time() + sum(backends_cpu_s(server.admin.get_server_pid()).values())


async def tell(server: Server, rated: list[tuple[float, float]], grouped: list[tuple[float, float]]) -> None:
    seconds, bare = (median(each for each, _ in some) for some in (rated, grouped))
    cpu, bare_cpu = (median(each for _, each in some) for some in (rated, grouped))
    figures = {"events": EVENTS, "seconds": seconds, "group_by_s": bare, "cpu_s": cpu, "group_by_cpu_s": bare_cpu}
    rows = [row("rating a month", bare / seconds, TARGET, unit="of one GROUP BY over the same table", figures=figures)]
    path = await write_down("month", server.admin, {**figures, "rounds": ROUNDS, "rows": rows})
    print(f"{EVENTS:,} events of {CUSTOMERS * METERS:,} customers and meters, medians of {ROUNDS} rounds")
    print(f"one GROUP BY         {bare:8.3f} s   processor {bare_cpu:8.3f} s")
    print(f"totalled and priced  {seconds:8.3f} s   processor {cpu:8.3f} s   {bare / seconds:.2f} of it")
    print(f"written to {os.path.relpath(path)}")


async def main() -> int:
    async with a_server() as server:
        await run(server)
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
