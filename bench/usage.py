"""Usage over HTTP, beside asyncpg's own de-duplicating insert into the same table; one event a request; how soon it is seen.

    python bench/usage.py [events there already] [rounds] [events a round]        (1,000,000 3 40,000)

The whole API (`guilder serve`) in two processes and one client process, on the same cores as the PostgreSQL: nothing is
set aside for anybody. One tenant, 1,000 customers, 4 meters; a batch names 20 customers. Rounds are interleaved:

    yardstick       insert … select from unnest … on conflict do nothing: the same rows into the same table, as the same
                    role under the same row-level security, by two connections of one process, batches of 1,000
    1000, 100       POST /api/usage with as many events, 8 connections
    one, bare       one event a request, 64 connections; a bare endpoint (`_bare_api.py`: Starlette and asyncpg, an insert
                    and its commit a request), two processes as well
    seen            batches of 1,000 at half the rate that was reached, and from when one is sent until
                    `GET /api/usage/current` counts it

Right means: every event is in the table once, sent twice or not, and the checks of `guilder doctor`.
"""

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from _crowd import Line, ask_all, backends_cpu_s, cpu_s, lines, processes, quantile, request, run
from _server import Admin, Server, Wrong, a_server, write_down

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation, NewMeter
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import NewCustomer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Mode, Role
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from guilder.wiring.doctor.run import examine

THERE = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
EVENTS = int(sys.argv[3]) if len(sys.argv) > 3 else 40_000
API_PROCESSES = 2
CUSTOMERS, METERS, CUSTOMERS_A_BATCH = 1_000, 4, 20
SINGLES = 6_000
SEEN_S = 6.0
SAMPLES_A_S = 10
TARGETS = {"yardstick": 0.8, "events_per_s": 60_000, "one": 1.5, "seen_s": 1.0}

YARDSTICK = """
insert into usage.events (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                          subscription_id, status, received_at, arrival)
select $1, n.id, n.event_id, n.customer_id, n.meter_id, 'calls', n.at, n.value, n.properties::jsonb, null, 'counted', $8,
       nextval('usage.arrivals')
  from unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::numeric[], $9::text[])
       as n (id, event_id, customer_id, meter_id, at, value, properties)
on conflict (tenant_id, event_id) do nothing"""

BARE = """
create schema bench;
create table bench.bare (id bigserial primary key, event_id text not null unique, body text not null);
grant usage on schema bench to public;
grant select, insert on bench.bare to public;
grant usage on all sequences in schema bench to public;
"""


@dataclass(slots=True)
class Ground:
    tenant_id: TenantId
    key: str
    customers: list[Any]
    meters: list[Any]
    sent: int = 0


@dataclass(slots=True)
class Figures:
    per_s: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    p99_ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, count: int, seconds: float, cpu: dict[str, float], took: Sequence[float]) -> None:
        self.per_s.setdefault(what, []).append(count / seconds)
        self.cpu_us.setdefault(what, []).append({who: each / count * 1e6 for who, each in cpu.items()})
        if took:
            self.p99_ms.setdefault(what, []).append(quantile(took, 0.99) * 1000)

    def median(self, what: str) -> float:
        return statistics.median(self.per_s[what])


async def seed(database: Database, admin: Admin) -> Ground:
    now = datetime.now(UTC)
    tenant_id = TenantId(ids.new(now))
    async with database.transaction([tenant_id], actor="bench") as tx:
        await identity.create_tenant(
            tx, tenant_id=tenant_id, name="Bench", slug="bench", mode=Mode.LIVE, time_zone="UTC", now=now
        )
        _, key = await identity.mint_key(tx, name="b", role=Role.ADMIN, scopes=["*"], expires_at=None, now=now)
        meters = [
            await catalog.create_meter(
                tx, meter=NewMeter(code=f"calls{n}", name="Calls", aggregation=Aggregation.SUM), now=now
            )
            for n in range(METERS)
        ]
        made = []
        for first in range(0, CUSTOMERS + 1, 100):
            new = [_customer(tenant_id, n) for n in range(first, min(first + 100, CUSTOMERS + 1))]
            made += await customers.create(tx, customers=new, now=now)
    await fill(admin, tenant_id, [each.id for each in made[:CUSTOMERS]], [each.id for each in meters])
    return Ground(tenant_id, key, made, meters)


def _customer(tenant_id: TenantId, n: int) -> NewCustomer:
    return NewCustomer(
        tenant_id=tenant_id,
        organization_id=f"org_{n}",
        name=f"Customer {n}",
        email=f"c{n}@bench.example",
        address=Address(line1="12 Square", city="London", postal_code="W1", country="GB"),
    )


async def fill(admin: Admin, tenant_id: TenantId, whose: Sequence[Any], meters: Sequence[Any]) -> None:
    """Put events there, as many as there are after a while: random ids, and in the order of their arrival."""
    await admin.execute("set session_replication_role = replica")
    await admin.execute(
        """insert into usage.events (tenant_id, id, event_id, customer_id, meter_id, meter_code, at, value, properties,
                                     subscription_id, status, received_at, arrival)
           select $1, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid()::text,
                  ($2::uuid[])[1 + n % $5::int], ($3::uuid[])[1 + n % $6::int], 'calls' || n % $6::int,
                  now() - ($4::int - n) * interval '1 second' * (2592000.0 / $4::int), 1 + n % 7, '{"zone": "eu"}', null,
                  'counted', now(), nextval('usage.arrivals')
             from generate_series(1, $4::int) n""",
        tenant_id,
        list(whose),
        list(meters),
        THERE,
        len(whose),
        len(meters),
        timeout=900,
    )
    await admin.execute("set session_replication_role = origin")
    await admin.execute("vacuum analyze usage.events", timeout=900)
    await admin.execute("checkpoint")


def batch(ground: Ground, size: int, number: int, *, probe: bool = False) -> list[dict[str, Any]]:
    """Make events that nobody has sent, of 20 customers."""
    at = datetime.now(UTC)
    first = number * CUSTOMERS_A_BATCH
    events = [
        {
            "event_id": str(uuid4()),
            "organization_id": f"org_{(first + n % CUSTOMERS_A_BATCH) % CUSTOMERS}",
            "meter": f"calls{n % METERS}",
            "timestamp": (at - timedelta(seconds=n)).isoformat().replace("+00:00", "Z"),
            "value": 1 + n % 7,
            "properties": {"zone": "eu"},
        }
        for n in range(size)
    ]
    if probe:
        events[0]["organization_id"] = f"org_{CUSTOMERS}"
    ground.sent += size
    return events


def post(ground: Ground, said: Any) -> bytes:
    return request("POST", "/api/usage", body=json.dumps(said, separators=(",", ":")).encode(), key=ground.key)


async def yardstick(
    server: Server, ground: Ground
) -> tuple[int, Callable[[], Awaitable[list[float]]], Callable[[], Awaitable[None]]]:
    connections = [await asyncpg.connect(server.app_url) for _ in range(2)]
    for each in connections:
        await each.execute("set role guilder_app")
        await each.execute("select set_config('guilder.tenants', $1, false)", f"{{{ground.tenant_id}}}")
    now = datetime.now(UTC)
    waiting = []
    for number in range(EVENTS // 1000):
        events = batch(ground, 1000, number)
        whose = [ground.customers[int(each["organization_id"][4:])].id for each in events]
        which = [ground.meters[n % METERS].id for n in range(1000)]
        at = [datetime.fromisoformat(each["timestamp"]) for each in events]
        waiting.append(
            (
                ground.tenant_id,
                ids.new_many(now, 1000),
                [each["event_id"] for each in events],
                whose,
                which,
                at,
                [Decimal(each["value"]) for each in events],
                now,
                ['{"zone":"eu"}'] * 1000,
            )
        )
    left = iter(waiting)

    async def on(connection: Any) -> None:
        for each in left:
            await connection.execute(YARDSTICK, *each)

    async def go() -> list[float]:
        await asyncio.gather(*(on(each) for each in connections))
        return []

    async def close() -> None:
        for each in connections:
            await each.close()

    return EVENTS // 1000 * 1000, go, close


async def timed(
    figures: Figures,
    admin: Admin,
    what: str,
    count: int,
    pids: Sequence[int],
    work: Callable[[], Awaitable[list[float]]],
) -> None:
    backend = admin.get_server_pid()
    own, before, api = time.process_time(), backends_cpu_s(backend), sum(map(cpu_s, pids))
    began = time.perf_counter()
    took = await work()
    seconds = time.perf_counter() - began
    after = backends_cpu_s(backend)
    cpu = {
        "postgresql": sum(after.values()) - sum(each for pid, each in before.items() if pid in after),
        "api": sum(map(cpu_s, pids)) - api,
        "client": time.process_time() - own,
    }
    figures.add(what, count, seconds, cpu, took)
    print(
        f"  {what:<10} {count / seconds:>9.0f}/s   "
        + "  ".join(f"{who} {each / count * 1e6:.1f} us" for who, each in cpu.items()),
        file=sys.stderr,
        flush=True,
    )


async def rounds(server: Server, ground: Ground, api: dict[int, int], bare: dict[int, int]) -> Figures:
    figures, admin = Figures(), server.admin
    warm = [post(ground, batch(ground, 1, n)[0]) for n in range(200)]
    await ask_all(await lines(list(api), 64), warm)
    await ask_all(await lines(list(api), 8), [post(ground, {"events": batch(ground, 100, n)}) for n in range(16)])
    for _ in range(ROUNDS):
        await admin.execute("checkpoint")
        count, work, close = await yardstick(server, ground)
        await timed(figures, admin, "yardstick", count, [], work)
        await close()
        for size in (1000, 100):
            requests = [post(ground, {"events": batch(ground, size, n)}) for n in range(EVENTS // size)]
            asks = await _asks(api, 8, requests)
            await timed(figures, admin, str(size), EVENTS // size * size, list(api.values()), asks)
        singles = [batch(ground, 1, n)[0] for n in range(SINGLES)]
        asks = await _asks(api, 64, [post(ground, each) for each in singles])
        await timed(figures, admin, "one", SINGLES, list(api.values()), asks)
        plain = [request("POST", "/bare", body=json.dumps(each, separators=(",", ":")).encode()) for each in singles]
        await timed(figures, admin, "bare", SINGLES, list(bare.values()), await _asks(bare, 64, plain))
    # The last batch once more, as a sender does that heard no answer.
    [line] = await lines(list(api), 1)
    _, body = await line.ask(requests[-1])
    if json.loads(body)["data"]["counted"] != 0:
        raise Wrong("what was sent twice was counted twice")
    return figures


async def _asks(of: dict[int, int], at_once: int, requests: Sequence[bytes]) -> Callable[[], Awaitable[list[float]]]:
    # Opened anew each time: a connection on which nothing is asked for seconds is closed.
    open_lines = await lines(list(of), at_once)
    return lambda: ask_all(open_lines, requests)


async def seen(ground: Ground, api: dict[int, int], *, per_s: float) -> list[float]:
    """Send batches at a steady rate; of some, say how long it took from sending until they were counted in current use."""
    senders, asker = await lines(list(api), 16), (await lines(list(api), 1))[0]
    every = 1000 / per_s
    plan = [batch(ground, 1000, n, probe=True) for n in range(int(SEEN_S / every))]
    requests = [post(ground, {"events": each}) for each in plan]
    current = request("GET", f"/api/usage/current?organization_id=org_{CUSTOMERS}", key=ground.key)
    free: asyncio.Queue[Line] = asyncio.Queue()
    for each in senders:
        free.put_nowait(each)
    sent_at: list[float] = []
    delays: list[float] = []

    async def send(number: int, line: Line) -> None:
        sent_at.append(time.perf_counter())
        status, body = await line.ask(requests[number])
        if status != 200:
            raise Wrong(f"answered {status}: {body[:200]!r}")
        free.put_nowait(line)

    async def look() -> None:
        counted = 0
        while counted < len(requests):
            _, body = await asker.ask(current)
            now, found = time.perf_counter(), json.loads(body)["data"]["meters"]
            total = sum(each["events"] for each in found)
            delays.extend(now - each for each in sent_at[counted:total])
            counted = total
            await asyncio.sleep(1 / SAMPLES_A_S / 4)

    looking = asyncio.create_task(look())
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(len(requests)):
            await asyncio.sleep(max(0.0, began + number * every - time.perf_counter()))
            group.create_task(send(number, await free.get()))
    await asyncio.wait_for(looking, 60)
    return delays


async def check(server: Server, ground: Ground) -> None:
    """:raises Wrong: an event is missing, or there twice, or the doctor found something"""
    there = await server.admin.fetchval("select count(*) from usage.events", timeout=300)
    if there != THERE + ground.sent:
        raise Wrong(f"{there} events are there, and {THERE + ground.sent} were sent")
    report = await examine(server.doctor_url, now=datetime.now(UTC))
    found = [str(each) for each in report.violations]
    if found:
        raise Wrong("the doctor found: " + "; ".join(found[:5]))


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with a_server() as server:
            key = "bench:" + b64encode(secrets.token_bytes(32)).decode()
            database = await Database.connect(server.app_url, vault=Vault(KeyRing.parse(key)))
            ground = await seed(database, server.admin)
            await server.admin.execute(BARE)
            env = {
                "DATABASE_URL": server.app_url,
                "GUILDER_DATA": str(Path(folder)),
                "GUILDER_MASTER_KEY": key,
                "LOG_LEVEL": "ERROR",
                "RATE_LIMIT_PER_MINUTE": "1000000",
                "RATE_LIMIT_TENANT_PER_MINUTE": "1000000",
            }
            with (
                processes(["-m", "guilder", "serve"], env, API_PROCESSES) as api,
                processes([str(Path(__file__).with_name("_bare_api.py"))], env, API_PROCESSES) as bare,
            ):
                figures = await rounds(server, ground, api, bare)
                half = figures.median("1000") / 2
                delays = await seen(ground, api, per_s=half)
            await Sequencer(database).drain()
            await database.close()
            await check(server, ground)
            said = rows(figures, delays, half)
            for each in said:
                print(f"{each['what']:<46} {each['ratio']:>10.2f} {each['unit']:<34} (target {each['target']})")
            print(await write_down("usage", server.admin, {"there": THERE, "figures": _plain(figures), "rows": said}))


def rows(figures: Figures, delays: Sequence[float], half: float) -> list[dict[str, Any]]:
    """The lines of the common table (`_table.py`)."""
    per_s = {what: figures.median(what) for what in figures.per_s}
    return [
        _row("usage, 1000 a request", per_s["1000"] / per_s["yardstick"], 0.8, "of asyncpg's own unnest", per_s),
        _row("usage, 100 a request", per_s["100"] / per_s["yardstick"], 0.8, "of asyncpg's own unnest", per_s),
        _row("usage, events a second", per_s["1000"], 60_000, "a second, two cores for all", per_s),
        _row("usage, one a request", per_s["one"] / per_s["bare"], 1.5, "of a bare insert endpoint", per_s),
        {
            **_row("usage, sent until seen, p99", quantile(delays, 0.99), 1.0, "s", {"per_s": half}),
            "at_most": True,
        },
    ]


def _row(what: str, ratio: float, target: float, unit: str, figures: dict[str, float]) -> dict[str, Any]:
    return {"what": what, "ratio": ratio, "target": target, "unit": unit, "figures": figures, "at_most": False}


def _plain(figures: Figures) -> dict[str, Any]:
    return {"per_s": figures.per_s, "cpu_us": figures.cpu_us, "p99_ms": figures.p99_ms}


if __name__ == "__main__":
    run(main())
