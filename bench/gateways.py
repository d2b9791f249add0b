"""Whether a payment provider that hangs, or is dead, delays payments that go through another.

    python bench/gateways.py [size] [rounds] [stuck]        (300, 5 and 100)

A tenant has an account at A and one at B, at one provider. B answers at once; A, once its cards are saved, accepts
connections and never says a word (`hanging`), or refuses them (`dead`): real sockets, the product's own client and its
own time limits. First `stuck` payments are sent to A until its window is full of calls that hang; then B has `size`
payments to make, which lie in the log already: sequencer, consumer and runner as `guilder work` runs them, until the
last of them is recorded. Beside it, in the same round: the same without anything at A. After that, payments of B come
one by one, and each is timed. No figure is shown unless every payment of B was made once, none of A's was declined or
lost, and, A being well again, each of those was made once as well.
"""

import asyncio
import base64
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median, quantiles
from typing import Any
from uuid import UUID

from _bank import Bank
from _cohort import PLAN, a_customer, calling, plan_content
from _server import Server, Wrong, a_server, refusing_what_is_wrong, write_down

from guilder.domain.catalog import service as catalog
from guilder.domain.customers import service as customers
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.adapters.simulated.client import Simulated
from guilder.domain.gateways.model import GatewayRequest, Outcome
from guilder.domain.gateways.port import Credentials
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Timetable
from guilder.platform.outside.runner import Runner
from guilder.wiring.doctor.run import examine
from guilder.wiring.reactions import REACTIONS
from guilder.wiring.timetable import JOBS

SIZE, ROUNDS, STUCK = 300, 5, 100
SINGLES = 40
ALONE, HANGING, DEAD = "alone", "hanging", "dead"
LOOK_S = 0.01
PATIENCE_S = 120.0
# Until calls to A fill its window, or have been refused often enough.
SINK_IN_S = 1.0
# By when whatever is unknown is looked at again, and what was kept back is begun.
LATER = timedelta(hours=3)
DUE_LATER = {"gateways.look_again", "payments.look_after"}
# Documents and mail are queued and not made here.
LEFT_LYING = "I25"


class Ahead(WallClock):
    """The wall's, or ahead of it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(slots=True)
class Counters(Bank):
    """Accounts at one bank. Calls with the key of one that is not well go over the network, to where nobody answers."""

    unwell: dict[str, Simulated] = field(default_factory=dict)

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        if there := self.unwell.get(credentials.secret_key):
            return await there.prepare(credentials, request, key=key)
        return await Bank.prepare(self, credentials, request, key=key)

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        if there := self.unwell.get(credentials.secret_key):
            return await there.confirm(credentials, request, key=key)
        return await Bank.confirm(self, credentials, request, key=key)

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        if there := self.unwell.get(credentials.secret_key):
            return await there.lookup(credentials, request)
        return None  # what is confirmed here is answered at once, so nothing that is asked about is known


@dataclass(slots=True)
class House:
    database: Database
    server: Server
    clock: Ahead
    bank: Counters

    def runner(self) -> Runner:
        return calling(self.database, self.bank, identity.Clocks(self.clock), clock=self.clock)

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[None]:
        """Hear the log for as long as the block runs, as a worker does."""
        consumer = Consumer(self.database, REACTIONS, identity.Clocks(self.clock), self.clock)
        async with _running(Sequencer(self.database).run, consumer.run):
            yield

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call the bank for as long as the block runs, as a worker does; what hangs then is left to its lease."""
        async with _running(partial(self.runner().run, grace_s=0.5)):
            yield


@asynccontextmanager
async def _running(*roles: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(role(stop)) for role in roles]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@dataclass(frozen=True, slots=True)
class Till:
    """A tenant with its accounts at A and B, and who pays where."""

    tenant_id: TenantId
    a_key: str
    at_a: list[tuple[str, UUID]]
    at_b: list[tuple[str, UUID]]


@dataclass(frozen=True, slots=True)
class Measured:
    seconds: float
    latencies_s: list[float]
    size: int
    stuck: dict[str, int]

    @property
    def per_s(self) -> float:
        return self.size / self.seconds

    @property
    def p95_ms(self) -> float:
        return quantiles(self.latencies_s, n=20)[-1] * 1_000


async def until(look: Any, wanted: object, *, what: str) -> None:
    ends = time.monotonic() + PATIENCE_S
    while (found := await look()) != wanted:
        if time.monotonic() > ends:
            raise Wrong(f"{what}: {found}, and not {wanted}, within {PATIENCE_S:g} s")
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def nobody_home(how: str) -> AsyncIterator[Simulated]:
    """Open an address where connections are accepted and nothing is ever said, or where they are refused."""
    lines: set[asyncio.StreamWriter] = set()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.add(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0) if how == HANGING else None
    if server:
        port = server.sockets[0].getsockname()[1]
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    client = Simulated(base_url=f"http://127.0.0.1:{port}")
    try:
        yield client
    finally:
        await client.close()
        for writer in lines:
            writer.close()
        if server:
            server.close()


async def a_till(house: House, *, size: int, stuck: int) -> Till:
    now, tenant_id = house.clock.now(), TenantId(ids.new(house.clock.now()))
    keys = [f"sk_{each}_{secrets.token_hex(8)}" for each in "ab"]
    async with house.database.transaction({tenant_id}, actor="bench") as tx:
        slug = f"bench-{secrets.token_hex(6)}"
        await identity.create_tenant(
            tx, tenant_id=tenant_id, name="Bench", slug=slug, mode=Mode.TEST, time_zone="UTC", now=now
        )
        accounts = [
            await gateways.connect(tx, gateway=house.bank.name, name=key[:4], secret_key=key, is_default=not n, now=now)
            for n, key in enumerate(keys)
        ]
        await catalog.create_plan(tx, code=PLAN, content=plan_content(), now=now)
    made: list[list[tuple[str, UUID]]] = []
    for account, count in zip(accounts, (stuck, size + SINGLES), strict=True):
        async with house.database.transaction({tenant_id}, actor="bench") as tx:
            known = await customers.create(tx, customers=[a_customer(tenant_id) for _ in range(count)], now=now)
            cards = [
                await payments.add_method(
                    tx, customer_id=CustomerId(each.id), token="pm_card_ok", account_id=account.id, now=now
                )
                for each in known
            ]
        made.append([(each.organization_id, card.id) for each, card in zip(known, cards, strict=True)])

    async def saved() -> int:
        return int(
            await house.server.admin.fetchval(
                "select count(*) from payments.methods where tenant_id = $1 and status = 'valid'", tenant_id
            )
        )

    async with house.calling(), house.hearing():
        await until(saved, size + SINGLES + stuck, what="cards saved")
    return Till(tenant_id, keys[0], *made)


async def subscribe(house: House, till: Till, who: Sequence[tuple[str, UUID]]) -> None:
    for organization_id, card in who:
        async with house.database.transaction({till.tenant_id}, actor="bench") as tx:
            sign_up = orders.SignUp(
                organization_id=organization_id,
                plan=PLAN,
                payment_method_id=card,
                asked=orders.Asked(base_url="https://billing.example.com"),
            )
            await orders.subscribe(tx, sign_up=sign_up, now=house.clock.now())


def paid(house: House, till: Till) -> Any:
    async def count() -> int:
        return int(
            await house.server.admin.fetchval(
                "select count(*) from payments.payments where tenant_id = $1 and status = 'succeeded'", till.tenant_id
            )
        )

    return count


async def measure(house: House, till: Till, *, how: str, size: int, stuck: int) -> Measured:
    """Have B make its payments, with A as it is; see to it that A's come to no harm."""
    if how == ALONE:
        return await _measured(house, till, size=size, stuck=0)
    async with nobody_home(how) as there:
        house.bank.unwell[till.a_key] = there
        try:
            return await _measured(house, till, size=size, stuck=stuck)
        finally:
            del house.bank.unwell[till.a_key]


async def _measured(house: House, till: Till, *, size: int, stuck: int) -> Measured:
    await subscribe(house, till, till.at_a[:stuck])
    count = paid(house, till)
    async with house.calling():
        async with house.hearing():
            # What A does not take any more, being down, stays requested.
            await until(lambda: _behind(house), 0, what="messages that nobody has heard")
            await asyncio.sleep(SINK_IN_S)
        await subscribe(house, till, till.at_b[:size])
        await house.server.admin.execute("analyze")
        began = time.perf_counter()
        async with house.hearing():
            await until(count, size, what="payments of B")
            took = time.perf_counter() - began
            latencies = []
            for n, one in enumerate(till.at_b[size:], start=1):
                began = time.perf_counter()
                await subscribe(house, till, [one])
                await until(count, size + n, what="payments of B")
                latencies.append(time.perf_counter() - began)
    return Measured(took, latencies, size, await look_at_a(house, till, stuck=stuck))


async def look_at_a(house: House, till: Till, *, stuck: int) -> dict[str, int]:
    """Return how A's payments stand.

    :raises Wrong: one is lost, or was taken for declined
    """
    rows = await house.server.admin.fetch(
        """select p.status, count(*) from payments.payments p
           join customers.customers c on c.tenant_id = p.tenant_id and c.id = p.customer_id
           where p.tenant_id = $1 and c.organization_id = any ($2) group by 1""",
        till.tenant_id,
        [organization_id for organization_id, _ in till.at_a[:stuck]],
    )
    found = {row["status"]: int(row["count"]) for row in rows}
    if sum(found.values()) != stuck or not set(found) <= {"requested", "prepared", "unknown"}:
        raise Wrong(f"of {stuck} payments at A: {found}")
    return found


async def recover(house: House) -> None:
    """Let time pass with A well again, until whatever was asked of it is known."""
    house.clock.ahead += LATER
    jobs = [job for job in JOBS if job.name in DUE_LATER or job.name.startswith("notifications.")]
    scheduler = Scheduler(house.database, Timetable(jobs), clock=house.clock)
    # Whoever was called when its worker went away would wait for its lease.
    await house.server.admin.execute("update platform.intents set due_at = clock_timestamp() where state = 'waiting'")
    async with house.calling(), house.hearing():
        for job in jobs:
            while await scheduler.step(job):
                pass
        await until(lambda: _open(house), 0, what="payments that are not made")
        await until(lambda: _behind(house), 0, what="messages that nobody has heard")


async def _open(house: House) -> int:
    return int(await house.server.admin.fetchval("select count(*) from payments.payments where status <> 'succeeded'"))


async def _behind(house: House) -> int:
    return int(
        await house.server.admin.fetchval(
            """select (select coalesce(sum(behind + parked + dead), 0) from platform.log_lag())
                    + (select count(*) from platform.log where position is null)"""
        )
    )


async def check(house: House, tills: Sequence[tuple[Till, int]]) -> int:
    """Hold everything against the bank's journal; return how many of the doctor's checks were made.

    :raises Wrong: something is not as it must be
    """
    for till, expected in tills:
        ours = [
            each["business_key"] for each in house.bank.charges if each["business_key"].startswith(str(till.tenant_id))
        ]
        if len(ours) != expected or len(set(ours)) != expected:
            raise Wrong(f"{len(ours)} charges for {len(set(ours))} invoices at the bank, and not {expected}")
        if (made := await paid(house, till)()) != expected:
            raise Wrong(f"{made} payments here, and not {expected}")
    report = await examine(house.server.doctor_url, now=house.clock.now(), journal=house.bank.journal)
    found = [str(violation) for violation in report.violations if violation.check != LEFT_LYING]
    if found or report.not_examined:
        raise Wrong("the doctor found: " + "; ".join([*found[:5], *report.not_examined]))
    return len(report.examined) - 1


async def run(server: Server, *, size: int, rounds: int, stuck: int) -> None:
    ring = KeyRing.parse("bench:" + base64.b64encode(secrets.token_bytes(32)).decode())
    database = await Database.connect(server.app_url, size_max=20, vault=Vault(ring))
    house = House(database, server, Ahead(), Counters())
    measured: dict[str, list[Measured]] = {ALONE: [], HANGING: [], DEAD: []}
    tills: list[tuple[Till, int]] = []
    try:
        await measure(house, await a_till(house, size=10, stuck=0), how=ALONE, size=10, stuck=0)  # code is loaded
        for each in range(rounds):
            # Each goes first in turn: what a round leaves behind slows the next one by a little.
            ways = [ALONE, HANGING, DEAD]
            for how in ways[each % 3 :] + ways[: each % 3]:
                print(
                    f"  round {each + 1}: A {'is left alone' if how == ALONE else f'is {how}'}",
                    file=sys.stderr,
                    flush=True,
                )
                till = await a_till(house, size=size, stuck=0 if how == ALONE else stuck)
                measured[how].append(await measure(house, till, how=how, size=size, stuck=stuck))
                tills.append((till, size + SINGLES + (0 if how == ALONE else stuck)))
        await recover(house)
        checks = await check(house, tills)
    finally:
        await database.close()
    await report(server, measured, size=size, rounds=rounds, stuck=stuck, checks=checks)


async def report(
    server: Server, measured: dict[str, list[Measured]], *, size: int, rounds: int, stuck: int, checks: int
) -> None:
    def ratio(how: str) -> float:
        return median(a.per_s / b.per_s for a, b in zip(measured[how], measured[ALONE], strict=True))

    said: dict[str, dict[str, Any]] = {
        how: {
            "per_s": round(median(each.per_s for each in of), 1),
            "per_s_lowest_highest": [round(end, 1) for end in (min(e.per_s for e in of), max(e.per_s for e in of))],
            "p95_ms": round(median(each.p95_ms for each in of), 1),
            "median_ms": round(median(median(each.latencies_s) for each in of) * 1_000, 1),
            "ratio_to_alone": round(ratio(how), 3),
            "at_a_meanwhile": [each.stuck for each in of],
        }
        for how, of in measured.items()
    }
    each_round = {
        how: [{"seconds": m.seconds, "latencies_s": m.latencies_s} for m in of] for how, of in measured.items()
    }
    figures = {"size": size, "rounds": rounds, "stuck": stuck, "figures": said, "each_round": each_round}
    path = await write_down("gateways", server.admin, figures)
    print(f"\nPayments through B, {size} that wait and {SINGLES} one by one; medians of {rounds} rounds")
    print(f"{'':<34}{'payments/s':>12}{'to alone':>10}{'one: median':>13}{'p95':>9}")
    names = {
        ALONE: "B alone",
        HANGING: f"while A hangs ({stuck} payments)",
        DEAD: f"while A is dead ({stuck} payments)",
    }
    for how, of in said.items():
        print(
            f"{names[how]:<34}{of['per_s']:>12,.1f}{of['ratio_to_alone']:>10.2f}"
            f"{of['median_ms']:>10,.0f} ms{of['p95_ms']:>6,.0f} ms"
        )
    print(f"A's meanwhile: {said[HANGING]['at_a_meanwhile'][-1]} hanging, {said[DEAD]['at_a_meanwhile'][-1]} dead")
    print(f"right: each payment made once, A's when it was well again; {checks} checks of the doctor's")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")


async def main() -> int:
    given = [int(each) for each in sys.argv[1:]]
    size, rounds, stuck = [*given, *(SIZE, ROUNDS, STUCK)[len(given) :]]
    async with a_server() as server:
        await run(server, size=size, rounds=rounds, stuck=stuck)
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
