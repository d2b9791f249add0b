"""The billing run of a mixed book beside one of plain subscriptions, in turn in the same run.

    python bench/mixed.py [size] [rounds]        (2,000 and 3)

Of the book 30 % use something priced in tiers, 20 % have a discount, 40 % are taxed, 5 % change their plan with the period
that is billed, 2 % have a card without money, in three currencies; who has what is drawn (`_book.py`). The plain ones pay one
fee each. Ratio: how many renewals a second of the book, to the plain ones'. No figure is shown unless every kind was
billed as drawn, the books add up, and the doctor found nothing.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from statistics import median

from _book import NO_MONEY, a_mixed_cohort, check_book
from _check import check_cohort, check_house
from _cohort import Cohort, House, a_cohort, a_house
from _quiet import quiet
from _server import Server, a_server, refusing_what_is_wrong, write_down
from _table import row
from journey import do_job, subscribe

SIZE, ROUNDS, WARM = 2_000, 3, 100
TARGET = 0.5
# All are due within the last days, and no reminder of a card that failed is.
SUBSCRIBED_BEFORE = timedelta(days=31, hours=1)


async def renew(house: House, server: Server, cohort: Cohort) -> tuple[float, float]:
    """Return the milliseconds a renewal of the billing run, and of the whole way."""
    house.clock.instant = await server.admin.fetchval(
        "select max(next_due_at) from subscriptions.subscriptions where tenant_id = $1", cohort.tenant_id
    )
    await server.admin.execute("vacuum analyze")
    with quiet():
        began = time.perf_counter()
        await do_job(house, "invoicing.bill_due")
        billed = time.perf_counter()
        await house.settle()
        await do_job(house, "invoicing.recognize_due")
        await house.settle()
        done = time.perf_counter()
    size = len(cohort.customers)
    return (billed - began) * 1_000 / size, (done - began) * 1_000 / size


async def plain(house: House, server: Server, *, size: int, began: datetime) -> tuple[float, float]:
    house.clock.instant = began
    with quiet(alone=False):
        cohort = await a_cohort(house, size=size)
        await subscribe(house, cohort)
        await house.settle()
    took = await renew(house, server, cohort)
    await check_cohort(house, cohort, server.admin)
    return took


async def mixed(house: House, server: Server, *, size: int, began: datetime) -> tuple[float, float]:
    house.clock.instant = began
    with quiet(alone=False):
        cohort = await a_mixed_cohort(house, size=size)
    house.bank.declined.add(NO_MONEY)
    try:
        took = await renew(house, server, cohort)
    finally:
        house.bank.declined.clear()
    await check_book(server.admin, cohort)
    return took


Rounds = list[dict[str, tuple[float, float]]]


async def run(server: Server, *, size: int, rounds: int) -> tuple[Rounds, int]:
    began = datetime.now(UTC) - SUBSCRIBED_BEFORE
    house = await a_house(server, now=began)
    found: Rounds = []
    try:
        for each in range(-1, rounds):
            many = WARM if each < 0 else size
            print(f"  {many:,} each, round {each + 1}", file=sys.stderr, flush=True)
            took = {}
            for kind in (plain, mixed) if each % 2 == 0 else (mixed, plain):
                took[kind.__name__] = await kind(house, server, size=many, began=began)
            found += [took] * (each >= 0)
        return found, await check_house(house, server)
    finally:
        await house.database.close()


async def main() -> int:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    async with a_server() as server:
        found, checks = await run(server, size=size, rounds=rounds)
        rows = []
        for n, what in enumerate(("a mixed book, billing run", "a mixed book, whole way")):
            ratio = median(each["plain"][n] / each["mixed"][n] for each in found)
            ms = {f"{kind}_ms": round(median(each[kind][n] for each in found), 3) for kind in ("plain", "mixed")}
            rows.append(row(what, ratio, TARGET, unit="of plain ones", figures={"due": size, **ms}))
        path = await write_down("mixed", server.admin, {"size": size, "rounds": found, "rows": rows})
    for each in rows:
        print(f"{each['what']:<28} {each['ratio']:.2f} {each['unit']}  {each['figures']}")
    print(f"medians of {rounds} rounds; right: each kind as drawn, books, numbers, {checks} checks of the doctor's")
    print(f"written to {path.relative_to(path.parent.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(refusing_what_is_wrong(main))
