"""What a subscription costs on its whole way, step by step, beside what PostgreSQL takes for the same rows.

    python bench/journey.py [sizes] [rounds]        (1,100,1000 and 3)

A cohort of customers with saved cards subscribes, each by a request of its own; a month later all of them fall due at
once. Due -> invoiced -> charged -> settled -> access -> announced, by the real jobs, log and runner in one process, on
a durable PostgreSQL; only the provider is simulated, in this process. Figures are medians of the rounds, and none is
shown unless everything was right: counts, balances, numbers, and the doctor.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import _bare as bare
from _check import check_cohort, check_house
from _cohort import PLAN, Cohort, House, a_cohort, a_house
from _meter import POSITIONS, Cell
from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down

from guilder.domain.orders import service as orders
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Job, Timetable
from guilder.wiring.timetable import JOBS, TENANTS

SIZES = (1, 100, 1000)
ROUNDS = 3
# A cohort of one is over in a moment, and says little alone.
ROUNDS_OF_ONE = 9
SUBSCRIBED_BEFORE = timedelta(days=35)

SUBSCRIBE = "orders.subscribe (a request each)"
BILL = "invoicing.bill_due: rolled, invoiced, booked"
RECOGNIZE = "invoicing.recognize_due: revenue earned"
CALLS = "gateways' runner: prepare, confirm, record"
# Who hears the log in which order, as one customer's messages make their way; each drained before the next.
WAY = (
    ("payments.start -> gateways.request", ("payments",)),
    ("gateways: calls intended", ("gateways",)),
    (CALLS, ()),
    ("payments.record: booked", ("payments",)),
    ("invoicing.settle: paid; documents queued", ("invoicing",)),
    ("orders and dunning hear of it", ("orders", "dunning")),
    ("entitlements: access", ("entitlements",)),
    ("notifications: queued", ("notifications",)),
    ("audit, outgoing webhooks and the rest hear all", ("audit", "webhooks", "privacy", "subscriptions", "usage")),
)
STEPS = (SUBSCRIBE, BILL, *(name for name, _ in WAY), RECOGNIZE, POSITIONS)


@dataclass(frozen=True, slots=True)
class Flow:
    """What one cohort's subscribing, or renewing, came to."""

    steps: dict[str, Cell]
    handlers: dict[str, float]
    slowest: list[dict[str, Any]]
    bare: bare.Yardstick

    @property
    def seconds(self) -> float:
        return sum(cell.seconds for cell in self.steps.values())

    @property
    def statements(self) -> int:
        return sum(cell.statements for cell in self.steps.values())

    @property
    def sql_seconds(self) -> float:
        return sum(cell.sql_seconds for cell in self.steps.values())


async def subscribe(house: House, cohort: Cohort) -> None:
    asked = orders.Asked(base_url="https://billing.example.com")
    for customer, card in cohort.customers:
        sign_up = orders.SignUp(
            organization_id=customer.organization_id, plan=PLAN, payment_method_id=card, asked=asked
        )
        async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
            await orders.subscribe(tx, sign_up=sign_up, now=house.clock.now())


async def do_job(house: House, name: str, *, gives_way: Callable[[], Awaitable[bool]] | None = None) -> None:
    job: Job = next(each for each in JOBS if each.name == name)
    scheduler = Scheduler(house.database, Timetable([job]), clock=house.clock, tenants=TENANTS, gives_way=gives_way)
    while await scheduler.step(job):
        pass


async def follow(house: House) -> None:
    """Do what follows from what was announced, a group after the other, and see that nothing is left."""
    for name, groups in WAY:
        with house.meter.step(name):
            if not groups:
                await house.runner.drain()
            for group in groups:
                await house.groups[group].drain()
    if left := await house.everybody.drain() + await house.runner.drain():
        raise Wrong(f"{left} messages or calls were left: a step is not where it was thought to be")


async def begin(house: House, cohort: Cohort, admin: Admin) -> Flow:
    await admin.execute("analyze")
    since = await bare.mark(admin)
    house.meter.reset()
    with house.meter.step(SUBSCRIBE):
        await subscribe(house, cohort)
    await follow(house)
    return await _flow(house, cohort, admin, since)


async def renew(house: House, cohort: Cohort, admin: Admin) -> Flow:
    due_at = await admin.fetchval(
        "select max(next_due_at) from subscriptions.subscriptions where tenant_id = $1", cohort.tenant_id
    )
    house.clock.instant = due_at
    await admin.execute("analyze")
    since = await bare.mark(admin)
    house.meter.reset()
    with house.meter.step(BILL):
        await do_job(house, "invoicing.bill_due")
    await follow(house)
    with house.meter.step(RECOGNIZE):
        await do_job(house, "invoicing.recognize_due")
    return await _flow(house, cohort, admin, since)


async def _flow(house: House, cohort: Cohort, admin: Admin, since: int) -> Flow:
    await asyncio.sleep(0.01)  # the wake-ups of the last commit
    steps = {name: cell for name, cell in house.meter.cells.items() if name in STEPS}
    yardstick = await bare.measure(admin, since=since, subscriptions=len(cohort.customers))
    return Flow(steps, dict(house.meter.handlers), house.meter.slowest(), yardstick)


async def live_through(house: House, server: Server, *, size: int, began: datetime) -> tuple[Flow, Flow]:
    house.clock.instant = began
    cohort = await a_cohort(house, size=size)
    flows = await begin(house, cohort, server.admin), await renew(house, cohort, server.admin)
    await check_cohort(house, cohort, server.admin)
    return flows


def summed_up(size: int, flows: Iterable[Flow]) -> dict[str, Any]:
    """Return the medians of one kind of flow over its rounds: times in milliseconds a subscription."""
    rounds = list(flows)

    def middle(values: Iterable[float]) -> float:
        return round(median(values) * 1_000 / size, 4)

    whole = [flow.seconds for flow in rounds]
    names = [name for name in STEPS if any(name in flow.steps for flow in rounds)]
    cells = {name: [flow.steps.get(name, Cell()) for flow in rounds] for name in names}
    handlers = sorted({name for flow in rounds for name in flow.handlers})
    return {
        "ms": middle(whole),
        "ms_lowest_highest": [round(end * 1_000 / size, 4) for end in (min(whole), max(whole))],
        "ms_in_postgresql": middle(flow.sql_seconds for flow in rounds),
        "statements": median(flow.statements for flow in rounds),
        "steps": {
            name: {
                "ms": middle(cell.seconds for cell in of),
                "ms_in_postgresql": middle(cell.sql_seconds for cell in of),
                "statements": median(cell.statements for cell in of),
                "share": round(median(cell.seconds / all_ for cell, all_ in zip(of, whole, strict=True)), 4),
            }
            for name, of in cells.items()
        },
        "handlers_ms": {name: middle(flow.handlers.get(name, 0.0) for flow in rounds) for name in handlers},
        "slowest_statements": rounds[-1].slowest,
        "rows": rounds[-1].bare.rows / size,
        "rows_by_table": {name: count / size for name, count in rounds[-1].bare.tables.items()},
        "bare_set_based_ms": middle(flow.bare.set_based_s for flow in rounds),
        "bare_row_by_row_ms": middle(flow.bare.row_by_row_s for flow in rounds),
        "ratio_to_set_based": round(median(f.seconds / f.bare.set_based_s for f in rounds), 2),
        "ratio_to_row_by_row": round(median(f.seconds / f.bare.row_by_row_s for f in rounds), 3),
    }


def show(title: str, by_size: Mapping[int, Mapping[str, Any]]) -> None:
    """Print one table: a column of figures for each size of batch."""
    sizes = list(by_size)
    print(f"\n{title}\n{'':<44}" + "".join(f"{f'{size:,} at once':^28}" for size in sizes))
    print(f"{'':<44}" + f"{'ms each':>11}{'statements':>11}{'share':>6}" * len(sizes))
    for name in STEPS:
        if any(name in by_size[size]["steps"] for size in sizes):
            cells = [by_size[size]["steps"].get(name) for size in sizes]
            print(f"{name:<44}" + "".join(_cell(cell) for cell in cells))
    print(f"{'the whole':<44}" + "".join(_cell({**by_size[size], "share": 1}) for size in sizes))

    def row(label: str, key: str, form: str, end: str = "") -> None:
        print(f"{label:<44}" + "".join(f"{format(by_size[size][key], form) + end:>11}{'':>17}" for size in sizes))

    row("  of it waiting for PostgreSQL, ms each", "ms_in_postgresql", ",.2f")
    row("rows written, each", "rows", ",.1f")
    row("PostgreSQL, set-based, bare, ms each", "bare_set_based_ms", ",.2f")
    row("  the whole : set-based", "ratio_to_set_based", ",.1f", " : 1")
    row("PostgreSQL, an insert a row, bare, ms each", "bare_row_by_row_ms", ",.2f")
    row("  the whole : row by row", "ratio_to_row_by_row", ",.2f", " : 1")


def _cell(cell: Mapping[str, Any] | None) -> str:
    return f"{cell['ms']:>11,.2f}{cell['statements']:>11,.0f}{cell['share']:>6.0%}" if cell else f"{'':>28}"


async def run(server: Server, *, sizes: tuple[int, ...], rounds: int) -> None:
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    begun: dict[int, list[Flow]] = {size: [] for size in sizes}
    renewed: dict[int, list[Flow]] = {size: [] for size in sizes}
    try:
        await live_through(house, server, size=3, began=began)  # plans are made, code is loaded, cursors are opened
        for size in sizes:
            for each in range(max(rounds, ROUNDS_OF_ONE) if size == 1 else rounds):
                print(f"  {size:,} at once, round {each + 1}", file=sys.stderr, flush=True)
                first, second = await live_through(house, server, size=size, began=began)
                begun[size].append(first)
                renewed[size].append(second)
        checks = await check_house(house, server)
    finally:
        await house.database.close()
    said: dict[str, Any] = {
        "rounds": rounds,
        "renewed": {size: summed_up(size, flows) for size, flows in renewed.items()},
        "subscribed": {size: summed_up(size, flows) for size, flows in begun.items()},
        "each_round": {
            kind: {size: [asdict(flow) | {"seconds": flow.seconds} for flow in flows] for size, flows in of.items()}
            for kind, of in (("renewed", renewed), ("subscribed", begun))
        },
    }
    path = await write_down("journey", server.admin, said)
    show("A renewal: due -> invoiced -> charged -> settled -> access -> announced", said["renewed"])
    show("A new subscription: asked for -> invoiced -> charged -> active -> announced", said["subscribed"])
    print(
        f"\nmedians of {rounds} rounds; right: counts, books, numbers, money at the bank, {checks} checks of the doctor's"
    )
    print(f"written to {path.relative_to(path.parent.parent.parent)}")


async def main() -> int:
    sizes = tuple(int(size) for size in sys.argv[1].split(",")) if len(sys.argv) > 1 else SIZES
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        await run(server, sizes=sizes, rounds=rounds)
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
