"""One customer's access over HTTP, beside a bare Starlette endpoint that does one indexed select of the same row.

    python bench/entitlements.py [customers] [rounds] [seconds]        (200 5 5)

Each server is a process of its own on a durable PostgreSQL of its own, with the same settings of uvicorn, pool and
client (16 kept connections, each asking again as soon as it is answered):

    bare        Starlette, one indexed select, JSON; no key, no limits, no log
    cached      the API, where what is asked was asked within seconds (…/{organization})
    uncached    the API, of what is never kept (…/{organization}/limits/{code}): what is left of a limit
    alone       the API that remembers nothing, nor whose a key is (ANSWERS_NEAR_MAX=0)

Rounds take turns; figures are medians, ratios are answers a second "the way : bare". Beside the billing run of another
tenant, by a process of its own, it is asked for so many seconds: 95th and 99th percentile before and during it. No figure is shown unless every cached answer is
the uncached one word for word, a customer shut out by another process is seen shut out, and a revoked key is refused by
every process with the next request.
"""

import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
from _a_run import a_run
from _asking import Asked, Serving, ask, request, serving
from _check import check_cohort, check_house
from _cohort import Cohort, House, a_house
from _server import Server, Wrong, a_server, refusing_what_is_wrong, write_down
from _table import row
from journey import do_job
from workers import SUBSCRIBED_BEFORE, a_subscribed_cohort

from guilder.domain.entitlements import service as entitlements
from guilder.domain.entitlements.model import NewBlock
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import ApiKey, Role
from guilder.kernel import ids
from guilder.platform.cache.near import Teller

CUSTOMERS = 200
ROUNDS = 5
SECONDS = 2.0
SECONDS_BESIDE = 5.0
BILLED = 1_000
P99_MOST_MS = 10.0
WAYS = ("bare", "cached", "uncached", "alone")
TOGETHER = ("cached", "uncached")
TAILS = {"uncached": "/limits/seats"}
FOLLOWS_WITHIN_S = 2.0
SELECT = """select organization_id, grants::text as grants, blocks::text as blocks, revocations::text as revocations
              from entitlements.standings where tenant_id = $1 and organization_id = $2"""


@asynccontextmanager
async def all_serving(server: Server, house: House, cohort: Cohort) -> AsyncIterator[dict[str, Serving]]:
    product = {
        "DATABASE_URL": server.app_url,
        "GUILDER_MASTER_KEY": house.key,
        "LOG_FORMAT": "json",
        "RATE_LIMIT_PER_MINUTE": "1000000",
        "RATE_LIMIT_TENANT_PER_MINUTE": "1000000",
    }
    with tempfile.TemporaryDirectory() as folder:
        product["GUILDER_DATA"] = folder
        bare = {
            "KIND": "read",
            "DATABASE_URL": server.admin_url,
            "STATEMENT": SELECT,
            "TENANT": str(cohort.tenant_id),
        }
        each: Mapping[str, tuple[str, dict[str, str]]] = {
            "bare": ("bare", bare),
            "alone": ("house", {**product, "ANSWERS_NEAR_MAX": "0"}),
            "cached": ("house", product),
        }
        async with AsyncExitStack() as stack:
            made = {way: await stack.enter_async_context(serving(*each[way])) for way in each}
            yield {**made, "uncached": made["cached"]}


async def a_key(house: House, cohort: Cohort) -> tuple[ApiKey, str]:
    async with house.database.transaction([cohort.tenant_id], actor="bench") as tx:
        return await identity.mint_key(
            tx, name=f"k-{uuid4().hex[:8]}", role=Role.ADMIN, scopes=["*"], expires_at=None, now=datetime.now(UTC)
        )


def asked_of(way: str, cohort: Cohort, key: str) -> list[str]:
    path = "/bare/" if way == "bare" else "/api/entitlements/"
    tail = TAILS.get(way, "")
    return [request("GET", f"{path}{each.organization_id}{tail}", key=key) for each, _ in cohort.customers]


async def answer(server: Serving, name: str, key: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(
            f"http://127.0.0.1:{server.port}/api/entitlements/{name}", headers={"Authorization": f"Bearer {key}"}
        )


async def check_words(servers: dict[str, Serving], cohort: Cohort, key: str) -> None:
    """Hold every cached answer against the uncached one.

    :raises Wrong: one is another
    """
    for customer, _ in cohort.customers:
        right = await answer(servers["alone"], customer.organization_id, key)
        if right.status_code != 200:
            raise Wrong(f"answered {right.status_code}: {right.text}")
        for _ in range(2):
            if (await answer(servers["cached"], customer.organization_id, key)).content != right.content:
                raise Wrong("another answer than the database's")


async def follows(server: Serving, house: House, cohort: Cohort, key: str) -> float:
    """Shut a customer out in this process; return in how many seconds the other one says so.

    :raises Wrong: it does not
    """
    customer, _ = cohort.customers[0]
    name = customer.organization_id
    await answer(server, name, key)
    if (await answer(server, name, key)).json()["data"]["blocked"]:
        raise Wrong("shut out before it was")
    async with house.database.transaction([cohort.tenant_id], actor="bench") as tx:
        now = datetime.now(UTC)
        block = NewBlock(
            tenant_id=cohort.tenant_id, customer_id=customer.id, cause_id=uuid4(), reason="unpaid", since=now
        )
        await entitlements.block(tx, blocks=[block], now=now)
    began = time.perf_counter()
    while not (await answer(server, name, key)).json()["data"]["blocked"]:
        if time.perf_counter() - began > FOLLOWS_WITHIN_S:
            raise Wrong(f"shut out, and let in for {FOLLOWS_WITHIN_S} s")
    return time.perf_counter() - began


async def check_revoked(servers: dict[str, Serving], house: House, cohort: Cohort) -> None:
    """Revoke a key by one process of the API: no other one lets it in with the next request.

    :raises Wrong: one does
    """
    (_, admin), (key, text) = await a_key(house, cohort), await a_key(house, cohort)
    for server in (servers["alone"], servers["cached"]):
        for _ in range(3):
            await answer(server, cohort.customers[0][0].organization_id, text)
    port = servers["alone"].port
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {admin}"}) as client:
        said = await client.delete(f"http://127.0.0.1:{port}/api/api-keys/{ids.to_text('key', key.id)}")
    if said.status_code != 200:
        raise Wrong(f"not revoked: {said.text}")
    for server in (servers["cached"], servers["alone"]):
        if (await answer(server, cohort.customers[0][0].organization_id, text)).status_code != 401:
            raise Wrong("a revoked key was let in")


async def beside_a_run(*, customers: int, seconds: float) -> dict[str, Any]:
    """Return what asking was before the billing run of another tenant and while it went on; in a house of its own, for
    what follows from those bills nobody hears.

    :raises Wrong: an answer was another one than the database's, or what was billed not what fell due
    """
    beside: dict[str, Any] = {}
    async with a_server() as server:
        house, cohort, key = await a_quiet_house(server, customers=customers)
        try:
            async with all_serving(server, house, cohort) as servers, a_run(server, customers=BILLED) as billing:
                asked = {way: asked_of(way, cohort, key) for way in TOGETHER}
                for way in TOGETHER:
                    await ask(servers[way], asked[way], seconds=1.0)
                alone = {way: await ask(servers[way], asked[way], seconds=seconds) for way in TOGETHER}
                billing.go()
                for way in TOGETHER:
                    print(f"  {way}, beside a run", file=sys.stderr, flush=True)
                    during = await ask(servers[way], asked[way], seconds=seconds)
                    beside[way] = {"alone": asdict(alone[way]), "during": asdict(during)}
                billed = await billing.stop()
                await check_words(servers, cohort, key)
        finally:
            await house.database.close()
    return {"ways": beside, "renewals_per_s": billed.per_s}


async def a_quiet_house(server: Server, *, customers: int) -> tuple[House, Cohort, str]:
    """Return a house whose customers have all renewed once, with nothing left to do, and a key to ask by."""
    house = await a_house(server, now=datetime.now(UTC) - SUBSCRIBED_BEFORE)
    # Every process says what it has changed: this one bills and blocks beside those that serve.
    house.database.on_touched = Teller(house.database.pool).touched
    cohort, due_at = await a_subscribed_cohort(house, size=customers, at=house.clock.now())
    house.clock.instant = due_at
    await do_job(house, "invoicing.bill_due")
    await house.settle()
    await do_job(house, "invoicing.recognize_due")
    await house.settle()
    await check_cohort(house, cohort, server.admin)
    _, key = await a_key(house, cohort)
    await server.admin.execute("vacuum analyze")
    return house, cohort, key


async def measure(server: Server, *, customers: int, rounds: int) -> dict[str, Any]:
    house, cohort, key = await a_quiet_house(server, customers=customers)
    taken: dict[str, list[Asked]] = {way: [] for way in WAYS}
    try:
        async with all_serving(server, house, cohort) as servers:
            for way in WAYS:
                await ask(servers[way], asked_of(way, cohort, key), seconds=1.0)
            await check_words(servers, cohort, key)
            for each in range(rounds):
                print(f"  round {each + 1}", file=sys.stderr, flush=True)
                for way in WAYS:
                    taken[way].append(await ask(servers[way], asked_of(way, cohort, key), seconds=SECONDS))
            await check_words(servers, cohort, key)
            await check_revoked(servers, house, cohort)
            followed_s = await follows(servers["cached"], house, cohort, key)
        await house.settle()
        checks = await check_house(house, server)
    finally:
        await house.database.close()
    return {
        "ways": {way: [asdict(each) for each in all_] for way, all_ in taken.items()},
        "followed_ms": followed_s * 1_000,
        "checks": checks,
    }


def to_bare(ways: Mapping[str, Any], way: str) -> float:
    """Return a way's answers a second beside the bare endpoint's in the same round: the median of the rounds."""
    return median(float(one["per_s"] / other["per_s"]) for one, other in zip(ways[way], ways["bare"], strict=True))


def rows(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Say the rows of the table."""
    ways = said["ways"]

    def of(way: str, what: str, target: float) -> dict[str, Any]:
        ratio = to_bare(ways, way)
        figures = {name: median(each[name] for each in ways[way]) for name in ("per_s", "p99_ms", "cpu_us")}
        return row(what, ratio, target, unit="of bare Starlette with one indexed select", figures=figures)

    def beside(way: str, what: str) -> dict[str, Any]:
        each = said["beside"]["ways"][way]
        figures = {"alone_p99_ms": each["alone"]["p99_ms"], "p95_ms": each["during"]["p95_ms"]}
        figures |= {"per_s": each["during"]["per_s"], "renewals_per_s": round(said["beside"]["renewals_per_s"])}
        p99 = each["during"]["p99_ms"]
        return row(f"{what}, beside a billing run, p99", p99, P99_MOST_MS, unit="ms", figures=figures, at_most=True)

    blocked, left = "who is blocked, at hand", "what is left of a limit"
    return [
        of("cached", blocked, 3.0),
        of("uncached", left, 0.7),
        beside("cached", blocked),
        beside("uncached", left),
    ]


def show(said: dict[str, Any]) -> None:
    print(f"\n{'':<10}{'answers/s':>12}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'own cpu us':>12}{'rate : bare':>13}")
    middle = {
        way: {name: median(each[name] for each in rounds) for name in rounds[0]} for way, rounds in said["ways"].items()
    }
    for way, each in middle.items():
        ratio = to_bare(said["ways"], way)
        print(
            f"{way:<10}{each['per_s']:>12,.0f}{each['p50_ms']:>9.2f}{each['p95_ms']:>9.2f}{each['p99_ms']:>9.2f}"
            f"{each['cpu_us']:>12.0f}{ratio:>12.2f}"
        )
    print(f"a billing run beside, {said['beside']['renewals_per_s']:,.0f} renewals/s:")
    for way, each in said["beside"]["ways"].items():
        alone, during = each["alone"], each["during"]
        print(
            f"{way}: {during['per_s']:,.0f}/s ({alone['per_s']:,.0f} alone), "
            f"p95 {during['p95_ms']:.1f} ms ({alone['p95_ms']:.1f}), p99 {during['p99_ms']:.1f} ms ({alone['p99_ms']:.1f})"
        )
    print(f"right: every answer word for word; a revoked key refused by every process; {said['checks']} checks")
    print(f"of the doctor's; shut out by another process and seen so after {said['followed_ms']:.0f} ms")


async def main() -> int:
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else SECONDS_BESIDE
    for name in [each for each in os.environ if each.endswith("_URL")]:
        del os.environ[name]
    beside = await beside_a_run(customers=customers, seconds=seconds)
    async with a_server() as server:
        said = {**await measure(server, customers=customers, rounds=rounds), "beside": beside}
        path = await write_down("entitlements", server.admin, {"customers": customers, **said, "rows": rows(said)})
    show(said)
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
