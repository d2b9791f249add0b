"""What it costs to rate and make one invoice, by kind, beside what PostgreSQL takes for the same rows.

    python bench/invoices.py [size] [rounds]        (200 and 3)

Subscriptions fall due together: their use is totalled and rated, their invoices discounted, taxed, booked, numbered and
asked payment for. All in one transaction (batch), and one transaction each (single). Figures are microseconds an
invoice, medians of the rounds, and none is shown unless every line, total and entry was right. The yardstick writes the
same rows once more, set-based and bare, in the same run.

One big invoice is of one customer with 200 subscriptions whose issuer puts them together: 4,000 lines, rated from tiers,
taxed, numbered and committed in one transaction, beside a plain one made alone.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import _bare as bare
from _book import TIERS
from _cohort import PRICE, Cohort, House, a_cohort, a_house
from _server import Admin, Server, Wrong, a_server, refusing_what_is_wrong, write_down

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import (
    Aggregation,
    Charge,
    ChargePrice,
    NewMeter,
    NewPrice,
    NewPromoCode,
    Plan,
    PlanContent,
)
from guilder.domain.catalog.model.promotions import Duration
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import NewSubscription, Subscription, Terms
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import NewEvent
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit

SIZE = 200
ROUNDS = 3
BEGAN = timedelta(days=40)
CALLS = Decimal(250)
MONTH = Interval(Unit.MONTH)
OF_TIERS = 550


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of invoice: how many charges, whether discounted, and what it has to come to."""

    name: str
    charges: int
    discounts: int
    total: int
    subscriptions: int = 1
    """Of one customer, put together on one invoice."""

    @property
    def lines(self) -> int:
        return (self.charges + 1) * self.subscriptions


# 19 % tax on all of them. Of the last: (3000 + 19 x 550) less 10 %, less 10 % of the rest, each rounded once.
KINDS = (
    Kind("plain: one fee", 0, 0, 3570),
    Kind("one charge of 3 tiers", 1, 0, 4225),
    Kind("20 lines, two discounts", 19, 2, 12964),
)

# 200 x (3000 + 19 x 550), and 19 % of that.
BIG = Kind("4,000 lines of 200 subscriptions", 19, 0, 3_201_100, subscriptions=200)
TIMES_MAX = 100
SECONDS_MAX = 0.2


async def prepare(house: House, cohort: Cohort, kind: Kind) -> list[Subscription]:
    """Subscribe every customer as of `BEGAN` ago, and count one reading for each meter."""
    now = house.clock.now()
    async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
        rate = {"name": "VAT", "percent": Decimal(19), "country": "GB", "legal_note": ""}
        await catalog.set_default_tax_rate(tx, **rate, now=now)  # type: ignore[arg-type]
        codes = [f"m{n}" for n in range(kind.charges)]
        meters = [
            await catalog.create_meter(tx, meter=NewMeter(code=code, name=code, aggregation=Aggregation.SUM), now=now)
            for code in codes
        ]
        plan = await catalog.create_plan(tx, code=f"bench-{kind.charges}", content=_content(codes), now=now)
        orders = [
            NewSubscription(
                tenant_id=cohort.tenant_id,
                customer_id=customer.id,
                organization_id=customer.organization_id,
                terms=_terms(plan),
                starts_at=now,
                time_zone="UTC",
            )
            for customer, _ in cohort.customers
            for _ in range(kind.subscriptions)
        ]
        if kind.subscriptions > 1:
            [issuer] = (await identity.issuer(tx, tenant_ids=[cohort.tenant_id])).values()
            await identity.set_issuer(tx, issuer=replace(issuer, consolidates=True), now=now)
        made = await subscriptions.create(tx, orders=orders, now=now)
        active = await subscriptions.activate(tx, refs=[each.ref for each in made], now=now)
        events = [
            # Of no one subscription: each that charges for the meter counts it.
            NewEvent(event_id=f"{each.id}-{meter.code}", customer_id=each.id, meter=meter, at=now, value=CALLS)
            for each, _ in cohort.customers
            for meter in meters
        ]
        for at in range(0, len(events), usage_batch := 5_000):
            await usage.record(tx, events=events[at : at + usage_batch], now=now)
        await _discount(tx, cohort, kind, now)
    await house.settle()
    return active


async def _discount(tx: Any, cohort: Cohort, kind: Kind, now: datetime) -> None:
    for n in range(kind.discounts):
        promo = NewPromoCode(code=f"TEN-{n}", name="Ten off", percent=Decimal(10), duration=Duration.FOREVER)
        await catalog.create_promo_code(tx, promo=promo, now=now)
        for customer, _ in cohort.customers:
            await invoicing.redeem(
                tx,
                customer_id=customer.id,
                subscription_id=None,
                code=promo.code,
                plan_id=None,
                product_id=None,
                is_first_purchase=False,
                currency="EUR",
                now=now,
            )


def _content(codes: Sequence[str]) -> PlanContent:
    price = ChargePrice(currency="EUR", model=TIERS)
    return PlanContent(
        name="Pro",
        description="",
        prices=(NewPrice(interval=MONTH, unit_amount=PRICE, cycle="monthly"),),
        features=(),
        limits=(),
        trial_days=0,
        charges=tuple(Charge(code=code, name=code, meter=code, prices=(price,)) for code in codes),
    )


def _terms(plan: Plan) -> Terms:
    return Terms(
        plan_id=plan.id,
        plan_code=plan.code,
        plan_version=plan.version,
        plan_name=plan.name,
        billing_cycle="monthly",
        interval=MONTH,
        unit_amount=PRICE,
        has_charges=bool(plan.charges),
    )


async def bill(house: House, refs: Sequence[Ref], *, batch: int, now: datetime) -> float:
    began = time.perf_counter()
    for at in range(0, len(refs), batch):
        some = refs[at : at + batch]
        async with house.database.transaction({some[0].tenant_id}, actor="bench") as tx:
            await invoicing.bill_due(tx, refs=some, now=now)
    return time.perf_counter() - began


async def check(admin: Admin, cohort: Cohort, kind: Kind, *, size: int) -> None:
    """Refuse to say how fast it was unless it was right."""
    row = await admin.fetchrow(
        """select count(*) as made, count(*) filter (where total_minor = $2) as right_total,
                  (select count(*) from invoicing.lines l where l.tenant_id = $1) as lines,
                  (select coalesce(sum(amount_minor), 0) from ledger.postings p where p.tenant_id = $1) as balance,
                  (select coalesce(sum(amount_minor), 0) from ledger.postings p
                   where p.tenant_id = $1 and p.account = 'receivable') as receivable,
                  count(distinct number) as numbers
           from invoicing.invoices i where i.tenant_id = $1""",
        cohort.tenant_id,
        kind.total,
    )
    found = tuple(row.values()) if row else ()
    wanted = (size, size, size * kind.lines, 0, size * kind.total, size)
    if found != wanted:
        raise Wrong(f"{kind.name}: {found}, and not {wanted}")


async def measure(house: House, server: Server, kind: Kind, *, size: int, batch: int) -> dict[str, float]:
    house.clock.instant = datetime.now(UTC) - BEGAN
    cohort = await a_cohort(house, size=size)
    made = await prepare(house, cohort, kind)
    await server.admin.execute("analyze")
    due_at = max(each.current_period.ends_at for each in made)
    house.clock.instant = due_at
    since = await bare.mark(server.admin)
    seconds = await bill(house, [each.ref for each in made], batch=batch, now=due_at)
    yardstick = await bare.measure(server.admin, since=since, subscriptions=size)
    await check(server.admin, cohort, kind, size=size)
    return {
        "us": seconds / size * 1e6,
        "bare_us": yardstick.set_based_s / size * 1e6,
        "seconds": seconds,
        "rows": yardstick.rows / size,
        "ratio": seconds / yardstick.set_based_s,
    }


def show(said: dict[str, dict[str, float]]) -> None:
    print(f"{'one invoice':<28}{'batch us':>11}{'single us':>11}{'single:batch':>14}{'bare us':>10}{'batch:bare':>12}")
    for name, of in said.items():
        print(
            f"{name:<28}{of['batch_us']:>11,.0f}{of['single_us']:>11,.0f}{of['single_to_batch']:>13,.1f} "
            f"{of['bare_us']:>10,.0f}{of['batch_to_bare']:>11,.1f}"
        )


def _row(what: str, ratio: float, target: float, unit: str, figures: dict[str, float]) -> dict[str, Any]:
    return {"what": what, "ratio": ratio, "target": target, "unit": unit, "figures": figures, "at_most": True}


async def run(server: Server, *, size: int, rounds: int) -> None:
    house = await a_house(server, now=datetime.now(UTC) - BEGAN)
    said: dict[str, dict[str, float]] = {}
    try:
        await measure(house, server, KINDS[1], size=2, batch=1)  # plans are made, code is loaded
        for kind in KINDS:
            batch, single = [], []
            for each in range(rounds):
                print(f"  {kind.name}, round {each + 1}", file=sys.stderr, flush=True)
                batch.append(await measure(house, server, kind, size=size, batch=size))
                single.append(await measure(house, server, kind, size=max(size // 4, 1), batch=1))
            said[kind.name] = {
                "batch_us": median(each["us"] for each in batch),
                "single_us": median(each["us"] for each in single),
                "single_to_batch": median(each["us"] for each in single) / median(each["us"] for each in batch),
                "bare_us": median(each["bare_us"] for each in batch),
                "batch_to_bare": median(each["ratio"] for each in batch),
                "rows": median(each["rows"] for each in batch),
            }
        big = []
        for each in range(rounds):
            print(f"  {BIG.name}, round {each + 1}", file=sys.stderr, flush=True)
            big.append(await measure(house, server, BIG, size=1, batch=BIG.lines))
    finally:
        await house.database.close()
    seconds, bare_s = median(each["seconds"] for each in big), median(each["bare_us"] for each in big) / 1e6
    times = seconds * 1e6 / said[KINDS[0].name]["single_us"]
    figures = {"seconds": seconds, "bare_seconds": bare_s, "plain_us": said[KINDS[0].name]["single_us"]}
    rows = [
        _row("one big invoice (4,000 lines)", times, TIMES_MAX, "times a plain one made alone", figures),
        _row("one big invoice (4,000 lines), seconds", seconds, SECONDS_MAX, "s", figures),
    ]
    told = {"size": size, "rounds": rounds, "kinds": said, "big": big, "rows": rows}
    path = await write_down("invoices", server.admin, told)
    show(said)
    print(f"\n{BIG.name}: {seconds:.3f} s, {times:.0f} times a plain one made alone; its rows, bare: {bare_s:.3f} s")
    print(f"\n{size:,} at once, medians of {rounds} rounds; every line, total, number and entry was right")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")


async def main() -> int:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        await run(server, size=size, rounds=rounds)
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
