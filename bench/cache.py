"""What a shared Redis saves and costs: a request answered from it, beside the same request answered by PostgreSQL.

    python bench/cache.py [requests] [rounds]        (400 5)

The whole API as it is served (`GET /api/entitlements/{organization}` and `GET /api/plans`, by an API key), called in this
process without a network, one at a time and 16 at once, on a durable PostgreSQL and a Redis of its own:

    uncached        no REDIS_URL: limits of the process, every answer PostgreSQL's
    limits shared   token buckets in Redis, answers PostgreSQL's
    kept            both: what REDIS_URL does, when the answer is there
    never there     both, and every answer is made old before it is asked for: what looking in vain costs
    near            as kept, with a map in the process before it (not built): what that would save besides

Rounds are interleaved; figures are medians: time by the clock, processor time of this process (PostgreSQL's and Redis's are
besides), and statements sent to PostgreSQL. No figure is shown unless every answer is word for word the uncached one.
"""

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from _server import Wrong, a_server, write_down

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Feature, Limit, NewPrice, PlanContent
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import NewCustomer
from guilder.domain.entitlements import service as entitlements
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Mode, Role
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import NewSubscription, Terms
from guilder.entrypoints import answering
from guilder.entrypoints.house import House, open_house
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit
from guilder.platform import logging, metrics
from guilder.platform.cache.answers import Answers, Found, Question
from guilder.platform.cache.client import Shared
from guilder.platform.config import Settings
from guilder.platform.http.limits import InProcess

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 400
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
AT_ONCE = 16
WAYS = ("uncached", "limits shared", "kept", "never there", "near")
PATHS = {"one customer's access": "/api/entitlements/org_1", "ten plans": "/api/plans"}


class Near(Answers):
    """A map before Redis."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._map: dict[Question, Found] = {}

    async def find(self, question: Question) -> Found:
        if question not in self._map:
            found = await super().find(question)
            if found.answer is None:
                return found
            self._map[question] = found
        return self._map[question]


class NeverThere(Answers):
    async def find(self, question: Question) -> Found:
        return replace(await super().find(question), answer=None)


@asynccontextmanager
async def a_redis() -> AsyncIterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise Wrong("redis-server is not installed: make system")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


async def seed(house: House) -> str:
    """Make a tenant with ten plans and a customer of one; return an API key."""
    now = datetime.now(UTC)
    tenant_id = TenantId(ids.new(now))
    async with house.database.transaction([tenant_id], actor="bench") as tx:
        await identity.create_tenant(
            tx, tenant_id=tenant_id, name="Bench", slug="bench", mode=Mode.LIVE, time_zone="UTC", now=now
        )
        _, key = await identity.mint_key(tx, name="b", role=Role.ADMIN, scopes=["*"], expires_at=None, now=now)
        for n in range(10):
            price = NewPrice(interval=Interval(Unit.MONTH), unit_amount=Money(3000, "EUR"), cycle="monthly")
            content = PlanContent(
                name="Pro",
                description="",
                prices=(price,),
                features=tuple(Feature(code=f"feature-{each}", name="Feature") for each in range(5)),
                limits=(Limit(code="seats", name="Seats", included=5),),
                trial_days=0,
            )
            plan = await catalog.create_plan(tx, code=f"pro-{n}", content=content, now=now)
        new = NewCustomer(
            tenant_id=tenant_id,
            organization_id="org_1",
            name="Ada Lovelace",
            email="ada@lovelace.example",
            address=Address(line1="12 Square", city="London", postal_code="W1", country="GB"),
        )
        [customer] = await customers.create(tx, customers=[new], now=now)
        first = plan.prices[0]
        terms = Terms(
            plan_id=plan.id,
            plan_code=plan.code,
            plan_version=plan.version,
            plan_name=plan.name,
            billing_cycle=first.cycle,
            interval=first.interval,
            unit_amount=first.unit_amount,
        )
        order = NewSubscription(
            tenant_id=tenant_id,
            customer_id=customer.id,
            organization_id="org_1",
            terms=terms,
            starts_at=now,
            time_zone="UTC",
        )
        [made] = await subscriptions.create(tx, orders=[order], now=now)
        [made] = await subscriptions.activate(tx, refs=[made.ref], now=now)
        await entitlements.follow(tx, refs=[made.ref], now=now)
    return key


def caller(app: Any, key: str) -> Callable[[str], Any]:
    """Call the application as its server does, and return the body."""

    async def call(path: str) -> bytes:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "headers": [(b"authorization", f"Bearer {key}".encode()), (b"host", b"localhost")],
        }
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await app(scope, receive, send)
        if said[0]["status"] != 200:
            raise Wrong(f"{path} answered {said[0]['status']}: {said[1]['body']!r}")
        return b"".join(each.get("body", b"") for each in said[1:])

    return call


class Cost(NamedTuple):
    """Of one request."""

    seconds: float
    own_seconds: float
    statements: float


def statements() -> float:
    return sum(
        sample.value
        for family in metrics.registry.collect()
        if family.name == "guilder_db_query_seconds"
        for sample in family.samples
        if sample.name.endswith("_count")
    )


async def cost_of(call: Callable[[str], Any], path: str, *, at_once: int) -> Cost:
    left = iter(range(REQUESTS))
    began, own, sent = time.perf_counter(), time.process_time(), statements()

    async def ask() -> None:
        for _ in left:
            await call(path)

    await asyncio.gather(*(ask() for _ in range(at_once)))
    taken = time.perf_counter() - began, time.process_time() - own, statements() - sent
    return Cost(*(each / REQUESTS for each in taken))


def ways(house: House, app: Any) -> dict[str, Any]:
    """Return the edge as each way has it."""
    edge, shared, keys, clock = app.state.edge, house.sharing.shared, house.ports.keys, house.clock
    assert isinstance(shared, Shared)
    return {
        "uncached": replace(edge, answers=None, limiter=InProcess(clock.monotonic)),
        "limits shared": replace(edge, answers=None),
        "kept": edge,
        "never there": replace(edge, answers=NeverThere(shared, keys, clock)),
        "near": replace(edge, answers=Near(shared, keys, clock)),
    }


async def measure(house: House) -> dict[str, dict[str, Cost]]:
    app = answering.api(house)
    call, edges = caller(app, await seed(house)), ways(house, app)
    taken: dict[str, dict[str, list[Cost]]] = {}
    for _ in range(ROUNDS):
        for what, path in PATHS.items():
            for at_once in (1, AT_ONCE):
                for way in WAYS:
                    app.state.edge = edges["uncached"]
                    right = await call(path)
                    app.state.edge = edges[way]
                    await call(path)
                    if await call(path) != right:
                        raise Wrong(f"{way}: another answer than the database's")
                    each = await cost_of(call, path, at_once=at_once)
                    taken.setdefault(f"{what}, {at_once} at once", {}).setdefault(way, []).append(each)
        print(".", end="", file=sys.stderr, flush=True)
    shared = house.sharing.shared
    if shared is None or shared.trouble is not None:
        raise Wrong("Redis was lost on the way")
    return {what: {way: median(all_) for way, all_ in by.items()} for what, by in taken.items()}


def median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(each) for each in zip(*costs, strict=True)))


async def main() -> None:
    logging.configure(level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        async with a_server() as server, a_redis() as redis_url:
            for name in [each for each in os.environ if each.endswith("_URL")]:
                del os.environ[name]
            settings = Settings(
                _env_file=None,
                database_url=server.app_url,
                redis_url=redis_url,
                guilder_data=Path(folder),
                rate_limit_per_minute=1_000_000,
                rate_limit_tenant_per_minute=1_000_000,
            )
            async with open_house(settings) as house:
                figures = await measure(house)
            print(file=sys.stderr)
            for what, by in figures.items():
                print(what)
                print(f"  {'':<16}{'us':>8}{'':>12}{'own us':>9}{'':>12}{'statements':>12}")
                for way, each in by.items():
                    whole, own = by["uncached"].seconds / each.seconds, by["uncached"].own_seconds / each.own_seconds
                    print(
                        f"  {way:<16}{each.seconds * 1e6:>8.0f}{whole:>8.2f} : 1{each.own_seconds * 1e6:>9.0f}"
                        f"{own:>8.2f} : 1{each.statements:>12.1f}"
                    )
            print(await write_down("cache", server.admin, {"seconds": figures, "requests": REQUESTS, "rounds": ROUNDS}))


asyncio.run(main())
