"""Webhooks taken in: verified, stored, answered, beside a bare insert endpoint; and while a billing run goes on.

    python bench/intake.py [webhooks a round] [rounds] [seconds]        (4,000 3 10)

The whole API (`guilder serve`) in two processes, one client process with 64 connections, on the same cores as PostgreSQL.
Each webhook is news of a dispute, signed as the simulated provider signs: looked up by its address, verified, sealed,
stored, announced and recorded as a call. The yardstick is `_bare_api.py` in two processes (Starlette and asyncpg, an insert
and its commit a request) with the same bodies. Rounds are interleaved. Then 20 connections send 100 a second for so many
seconds, and once more while another process bills a cohort by the real job, month after month.

Right means: every webhook is kept once and announced once, sent twice or not, and the checks of `guilder doctor` (before
the run; what the run bills is only counted, since nobody hears of it here).
"""

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from _a_run import Billed, a_run
from _crowd import Line, ask_all, cpu_s, lines, processes, quantile, request, run
from _server import Server, Wrong, a_server, write_down
from usage import BARE

from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from guilder.wiring.doctor.run import examine
from simulated_provider.webhooks import sign

WEBHOOKS = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
BILLED = 1_000
API_PROCESSES, AT_ONCE = 2, 64
BESIDE_AT_ONCE, BESIDE_PER_S = 20, 100
SECRET = "whsec_bench"


async def seed(database: Database) -> str:
    """Make a tenant with an account; return its webhook address."""
    now = datetime.now(UTC)
    tenant_id = TenantId(ids.new(now))
    async with database.transaction([tenant_id], actor="bench") as tx:
        await identity.create_tenant(
            tx, tenant_id=tenant_id, name="Bench", slug="webhooks", mode=Mode.TEST, time_zone="UTC", now=now
        )
        account = await gateways.connect(
            tx,
            gateway="simulated",
            name="Simulated",
            secret_key="sk_sim_bench",
            is_default=True,
            endpoint_secret=SECRET,
            now=now,
        )
    return f"/api/webhooks/simulated/{account.endpoint_id}"


def news() -> bytes:
    dispute = {
        "id": f"dp_{uuid4().hex[:12]}",
        "object": "dispute",
        "status": "needs_response",
        "amount": 4900,
        "currency": "EUR",
        "reason": "fraudulent",
        "charge": "ch_1",
        "payment_intent": "pi_1",
    }
    said = {"id": f"evt_{uuid4()}", "event_id": str(uuid4()), "type": "charge.dispute.created", "created": 1}
    return json.dumps({**said, "data": {"object": dispute}}, separators=(",", ":")).encode()


def signed(path: str, body: bytes) -> bytes:
    head = f"Simulated-Signature: {sign(SECRET, body, at=int(time.time()))}\r\n"
    return request("POST", path, body=body, more=head)


async def rounds(path: str, api: dict[int, int], bare: dict[int, int]) -> tuple[dict[str, list[float]], int]:
    per_s: dict[str, list[float]] = {"webhooks": [], "bare": []}
    await ask_all(await lines(list(api), AT_ONCE), [signed(path, news()) for _ in range(200)])
    for _ in range(ROUNDS):
        bodies = [news() for _ in range(WEBHOOKS)]
        for what, of, asked in (
            ("webhooks", api, [signed(path, each) for each in bodies]),
            ("bare", bare, [request("POST", "/bare", body=each) for each in bodies]),
        ):
            open_lines = await lines(list(of), AT_ONCE)
            cpu, began = sum(map(cpu_s, of.values())), time.perf_counter()
            took = await ask_all(open_lines, asked)
            seconds = time.perf_counter() - began
            per_s[what].append(WEBHOOKS / seconds)
            cpu = (sum(map(cpu_s, of.values())) - cpu) / WEBHOOKS * 1e6
            p99 = quantile(took, 0.99) * 1000
            print(
                f"  {what:<10}{WEBHOOKS / seconds:>8.0f}/s   p99 {p99:.1f} ms   its processes {cpu:.0f} us each",
                file=sys.stderr,
                flush=True,
            )
    # The last hundred once more, as a provider does that heard no answer.
    await ask_all(await lines(list(api), AT_ONCE), [signed(path, each) for each in bodies[-100:]])
    return per_s, 200 + ROUNDS * WEBHOOKS


async def check(server: Server, database: Database, kept: int) -> None:
    """:raises Wrong: a webhook is missing, there twice or not announced, or the doctor found something"""
    rows = await server.admin.fetchval("select count(*) from gateways.notices where ignored_because = ''")
    told = await server.admin.fetchval("select count(*) from platform.log where name = 'gateways.dispute.noticed'")
    if (rows, told) != (kept, kept):
        raise Wrong(f"{kept} webhooks were sent, {rows} are kept and {told} announced")
    await Sequencer(database).drain()
    found = [str(each) for each in (await examine(server.doctor_url, now=datetime.now(UTC))).violations]
    if found:
        raise Wrong("the doctor found: " + "; ".join(found[:5]))


async def beside_a_run(server: Server, path: str, api: dict[int, int]) -> tuple[list[float], list[float], Billed]:
    """Return how long webhooks took before a billing run and while it went on, and what that came to."""
    async with a_run(server, customers=BILLED) as billing:
        alone = await _steadily(path, api)
        billing.go()
        beside = await _steadily(path, api)
        return alone, beside, await billing.stop()


async def _steadily(path: str, api: dict[int, int]) -> list[float]:
    free: asyncio.Queue[Line] = asyncio.Queue()
    for each in await lines(list(api), BESIDE_AT_ONCE):
        free.put_nowait(each)
    took: list[float] = []

    async def send(whole: bytes, since: float) -> None:
        line = await free.get()
        status, body = await line.ask(whole)
        # From when it was due to be sent: a queue before a slow server is waiting, too.
        took.append(time.perf_counter() - since)
        free.put_nowait(line)
        if status != 200:
            raise Wrong(f"answered {status}: {body[:200]!r}")

    due = time.perf_counter()
    over = due + SECONDS
    async with asyncio.TaskGroup() as group:
        while due < over:
            due += 1 / BESIDE_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(send(signed(path, news()), due))
    return took


@asynccontextmanager
async def served(folder: str) -> AsyncIterator[tuple[Server, Database, str, dict[int, int], dict[str, str]]]:
    """A server with a tenant's account, and the API in front of it."""
    async with a_server() as server:
        key = "bench:" + b64encode(secrets.token_bytes(32)).decode()
        env = {"DATABASE_URL": server.app_url, "GUILDER_DATA": folder, "GUILDER_MASTER_KEY": key, "LOG_LEVEL": "ERROR"}
        database = await Database.connect(server.app_url, vault=Vault(KeyRing.parse(key)))
        try:
            path = await seed(database)
            with processes(["-m", "guilder", "serve"], env, API_PROCESSES) as api:
                yield server, database, path, api, env
        finally:
            await database.close()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with served(folder) as (server, database, path, api, env):
            await server.admin.execute(BARE)
            with processes([str(Path(__file__).with_name("_bare_api.py"))], env, API_PROCESSES) as bare:
                per_s, kept = await rounds(path, api, bare)
            await check(server, database, kept)
        # A house of its own: whoever makes the run ready hears all that was announced.
        async with served(folder) as (server, _, path, api, _):
            alone, beside, billed = await beside_a_run(server, path, api)
            said = rows(per_s, alone, beside, billed)
            for each in said:
                print(f"{each['what']:<46} {each['ratio']:>10.2f} {each['unit']:<34} (target {each['target']})")
            print(await write_down("intake", server.admin, {"per_s": per_s, "rows": said}))


def rows(
    per_s: dict[str, list[float]], alone: Sequence[float], beside: Sequence[float], billed: Billed
) -> list[dict[str, Any]]:
    """The lines of the common table (`_table.py`)."""
    ours, bare = statistics.median(per_s["webhooks"]), statistics.median(per_s["bare"])
    p95, p99 = ([quantile(took, share) * 1000 for took in (alone, beside)] for share in (0.95, 0.99))
    renewals = {"renewals_per_s": round(billed.per_s), "sent": len(beside)}
    return [
        {
            "what": "webhooks verified, stored, answered",
            "ratio": ours / bare,
            "target": 1.0,
            "unit": "of a bare insert endpoint",
            "figures": {"per_s": ours, "bare_per_s": bare},
            "at_most": False,
        },
        {
            "what": "webhooks beside a billing run, p99",
            "ratio": p99[1],
            "target": 20.0,
            "unit": "ms",
            "figures": {"alone_p99_ms": p99[0], "p99_ms": p99[1], **renewals},
            "at_most": True,
        },
        {
            "what": "webhooks beside a billing run, p95",
            "ratio": p95[1] / p95[0],
            "target": 2.0,
            "unit": "times that without a run",
            "figures": {"alone_p95_ms": p95[0], "p95_ms": p95[1], **renewals},
            "at_most": True,
        },
    ]


if __name__ == "__main__":
    run(main())
