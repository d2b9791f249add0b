"""Subscribing over HTTP, the whole transaction with its idempotency key, beside a bare FastAPI endpoint with one insert.

    python bench/subscribe.py [requests] [rounds]        (300 5)

Each server is a process of its own on a durable PostgreSQL of its own, with the same settings of uvicorn, pool and
client (16 kept connections, each asking again as soon as it is answered):

    bare        FastAPI, a pydantic model of two fields, one insert and its commit; no key, no limits, no log
    subscribe   POST /api/subscriptions with a saved card and an Idempotency-Key of its own: order, subscription, first
                invoice with its line, explanation and tax, journal entries, payment request, events, the stored answer

Rounds take turns; figures are medians, the ratio is answers a second "subscribe : bare". What follows from it (the
charge, the receipt) is done after each round and not measured. No figure is shown unless every customer is subscribed
once, charged once, paid in the books, and the doctor finds nothing.
"""

import os
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

from _asking import Asked, Serving, ask, request, serving
from _check import check_house
from _cohort import PLAN, PRICE, Cohort, House, a_cohort, a_house
from _server import Server, Wrong, a_server, one_row, refusing_what_is_wrong, write_down

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.kernel import ids

REQUESTS = 300
ROUNDS = 5
WARM = 40
LIMIT_S = 60.0
TARGET = 0.35
BARE = """
create table public.bare (id bigserial primary key, customer text not null, plan text not null,
                          at timestamptz not null default now());
grant insert, select on public.bare to public; grant usage on sequence public.bare_id_seq to public"""
INSERT = "insert into public.bare (customer, plan) values ($1, $2) returning id"


def subscribing(cohort: Cohort, key: str) -> list[str]:
    """Return a request for each customer, each with a key of its own."""
    return [
        request(
            "POST",
            "/api/subscriptions",
            key=key,
            body={
                "organization_id": customer.organization_id,
                "plan_id": PLAN,
                "payment_method_id": ids.to_text("pm", card),
            },
            Idempotency_Key=uuid4().hex,
        )
        for customer, card in cohort.customers
    ]


def inserting(cohort: Cohort) -> list[str]:
    return [
        request("POST", "/bare", body={"customer": each.organization_id, "plan": PLAN}) for each, _ in cohort.customers
    ]


async def check(house: House, cohort: Cohort, server: Server) -> None:
    """Hold what came of a round against what must have.

    :raises Wrong: says which number is another
    """
    size = len(cohort.customers)
    ours = [each for each in house.bank.charges if each["business_key"].startswith(str(cohort.tenant_id))]
    found = await one_row(
        server.admin,
        """select (select count(*) from subscriptions.subscriptions where tenant_id = $1 and status = 'active') as active,
                  (select count(distinct customer_id) from subscriptions.subscriptions where tenant_id = $1) as customers,
                  (select count(*) from invoicing.invoices where tenant_id = $1 and status = 'paid') as paid,
                  (select count(*) from orders.orders where tenant_id = $1 and status = 'completed') as completed,
                  (select count(*) from platform.idempotency_keys where tenant_id = $1) as keys,
                  (select coalesce(sum(amount_minor), 0)::bigint from ledger.postings
                    where tenant_id = $1 and account = 'cash') as cash""",
        cohort.tenant_id,
    )
    wanted = (size, size, size, size, size, size * PRICE.minor)
    if tuple(found.values()) != wanted or len(ours) != size:
        raise Wrong(f"{dict(found)} and {len(ours)} charges, and not {wanted}")


async def a_round(house: House, server: Server, api: Serving, bare: Serving, *, size: int) -> tuple[Asked, Asked]:
    house.clock.instant = datetime.now(UTC)
    cohort = await a_cohort(house, size=size)
    async with house.database.transaction([cohort.tenant_id], actor="bench") as tx:
        now = datetime.now(UTC)
        _, key = await identity.mint_key(tx, name="b", role=Role.ADMIN, scopes=["*"], expires_at=None, now=now)
    await server.admin.execute("vacuum analyze")
    beside = await ask(bare, inserting(cohort), seconds=LIMIT_S, once=True)
    found = await ask(api, subscribing(cohort, key), seconds=LIMIT_S, once=True)
    house.clock.instant = datetime.now(UTC)
    await house.settle()
    await check(house, cohort, server)
    return found, beside


async def measure(server: Server, house: House, *, size: int, rounds: int) -> dict[str, Any]:
    await server.admin.execute(BARE)
    with tempfile.TemporaryDirectory() as folder:
        product = {
            "DATABASE_URL": server.app_url,
            "GUILDER_MASTER_KEY": house.key,
            "GUILDER_DATA": folder,
            "LOG_FORMAT": "json",
            "RATE_LIMIT_PER_MINUTE": "1000000",
            "RATE_LIMIT_TENANT_PER_MINUTE": "1000000",
        }
        plain = {"KIND": "insert", "DATABASE_URL": server.admin_url, "STATEMENT": INSERT}
        async with serving("house", product) as api, serving("bare", plain) as bare:
            await a_round(house, server, api, bare, size=WARM)
            taken = []
            for each in range(rounds):
                print(f"  round {each + 1}", file=sys.stderr, flush=True)
                taken.append(await a_round(house, server, api, bare, size=size))
    checks = await check_house(house, server)
    return {
        "ways": {"bare": [asdict(each) for _, each in taken], "subscribe": [asdict(each) for each, _ in taken]},
        "ratio": median(one.per_s / other.per_s for one, other in taken),
        "checks": checks,
    }


def show(said: dict[str, Any]) -> None:
    print(f"\n{'':<12}{'answers/s':>12}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'own cpu us':>12}")
    for way, rounds in said["ways"].items():
        each = {name: median(one[name] for one in rounds) for name in rounds[0]}
        print(
            f"{way:<12}{each['per_s']:>12,.0f}{each['p50_ms']:>9.1f}{each['p95_ms']:>9.1f}{each['p99_ms']:>9.1f}"
            f"{each['cpu_us']:>12.0f}"
        )
    print(f"subscribe : bare {said['ratio']:.3f}")
    print(f"right: everybody once, charged once, paid, booked; {said['checks']} checks of the doctor's")


def row(said: dict[str, Any]) -> dict[str, Any]:
    per_s = median(each["per_s"] for each in said["ways"]["subscribe"])
    return {
        "what": "subscribe over HTTP, idempotency included",
        "ratio": said["ratio"],
        "target": TARGET,
        "unit": "of a bare FastAPI endpoint with one insert",
        "figures": {"per_s": per_s},
        "at_most": False,
    }


async def main() -> int:
    size, rounds = (
        int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((1, REQUESTS), (2, ROUNDS))
    )
    for name in [each for each in os.environ if each.endswith("_URL")]:
        del os.environ[name]
    async with a_server() as server:
        house = await a_house(server, now=datetime.now(UTC))
        try:
            said = await measure(server, house, size=size, rounds=rounds)
        finally:
            await house.database.close()
        path = await write_down("subscribe", server.admin, {"requests": size, **said, "rows": [row(said)]})
    show(said)
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
