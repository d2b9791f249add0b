"""How many workers and shards carry the first of the month: a simulation, fed with what was measured (bench/costs.json).

    python bench/capacity.py                 the table and the picture of docs/design/scale.md
    python bench/capacity.py check           the model beside the real run that costs.json holds; exits 1 beyond its error
    python bench/capacity.py workers=4 renewals=1000000 calls_per_s=500 cores=8 call_s=0.35

Everybody is billed on the first of the month, at the midnight of their own zone: the worst day that a calendar can make.
Costs of a batch are a line through two measured sizes (`_renewing.fitted`); a third size, and the whole way of it, is what
the model is checked against. Nothing here is measured but what costs.json names; what is assumed is in ASSUMED.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from _drawing import Line, chart
from _renewing import KINDS, Cost, Outcome, Renewing, Site, fitted

HERE = Path(__file__).parent
COSTS = HERE / "costs.json"
PICTURE = HERE.parent / "docs" / "design" / "pictures" / "first-of-the-month.svg"
# The model's own error, at a size that it was not fitted to: on processors, and on the wall.
ERROR_MAX = {"processors": 0.25, "wall": 0.35}
SEED = 1
DAY_S, HOUR_S = 86_400.0, 3_600.0
# Assumed, not measured: which share of customers lives where (hours behind the first midnight), and that an hour's due
# instants lie evenly in the five minutes after it.
ASSUMED_ZONES = {0: 0.05, 3: 0.10, 5: 0.10, 8: 0.05, 11: 0.15, 12: 0.20, 13: 0.05, 17: 0.15, 19: 0.05, 20: 0.10}
MIDNIGHT_TAKES_S = 300
# The rest of a batch's time on the wall was measured where others kept the processors busy: it is mostly waiting for them.
# Assumed instead: what a commit takes on a disk in a cloud.
ASSUMED_REST_S = 0.003
LOTS = 40_000  # so many a run: more says nothing more, and takes longer


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    site: Site


def cases() -> list[Case]:
    """Return the runs of the table: one thing more a time, until the next wall is another."""
    few = Site(workers=1, cores=2)
    four = replace(few, workers=4, cores=4)
    return [
        Case("1 worker, 100 calls/s", few),
        Case("4 workers, 100 calls/s", four),
        Case("4 workers, 4,000 calls/s", replace(four, calls_per_s=4_000)),
        Case("4 workers, 4,000 calls/s, window 256", replace(four, calls_per_s=4_000, window=256)),
        Case("16 workers, 8 cores, window 256", replace(few, workers=16, cores=8, calls_per_s=4_000, window=256)),
    ]


def first_of_the_month(renewals: int) -> list[tuple[float, int]]:
    """Return when how many fall due: in ten lots after each zone's midnight."""
    return [
        (hour * HOUR_S + lot * MIDNIGHT_TAKES_S / 10, round(renewals * share / 10))
        for hour, share in sorted(ASSUMED_ZONES.items())
        for lot in range(10)
    ]


def simulate(site: Site, costs: Mapping[str, Cost], *, renewals: int) -> Outcome:
    site = replace(site, lot=max(1, renewals // LOTS))
    costs = {name: on_a_quiet_machine(cost) for name, cost in costs.items()}
    arrivals = first_of_the_month(renewals)
    outcome = Renewing(site, costs, arrivals, SEED).run(until_s=2 * DAY_S)
    assert outcome.due == outcome.done + outcome.backlog[-1][1], "nobody is lost"
    return outcome


def on_a_quiet_machine(cost: Cost) -> Cost:
    return Cost({**cost.fixed, "rest_ms": ASSUMED_REST_S}, {**cost.each, "rest_ms": 0.0})


def row_of(name: str, outcome: Outcome) -> list[str]:
    """Return a row of the table: how many waited, how long it took, and how busy things were in their busiest ten minutes."""
    took = outcome.took
    return [
        name,
        f"{outcome.done:,}",
        f"{max(waiting for _, waiting in outcome.backlog):,}",
        *(_time(took.percentile(percent)) for percent in (50, 95, 100)),
        *(f"{outcome.used[what]:.0%}" for what in ("python", "postgresql", "window")),
    ]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"


HEAD = ["", "done", "most waiting", "half within", "95 % within", "all within", "Python", "PostgreSQL", "calls at once"]


def show(rows: list[list[str]]) -> None:
    print("| " + " | ".join(HEAD) + " |")
    print("|" + "---|" * len(HEAD))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def checked(found: Mapping[str, Any]) -> list[tuple[str, float, float, float]]:
    """Run the model as the bench ran; return what of it, measured and modelled in ms each, and the error."""
    small, middle, large = sorted(found["sizes"], key=int)
    costs, size = fitted(found["sizes"], small=small, large=large), int(middle)
    real = found["sizes"][middle]["steps"]
    site = Site(workers=1, cores=1, call_s=0.0, failing=0.0, calls_per_s=1e9, one_by_one=True)
    run = Renewing(site, costs, [(0.0, size)], SEED)
    outcome = run.run(until_s=DAY_S)
    assert outcome.done == size, outcome.done
    modelled = run.worked
    rows = []
    for what, kinds in (("processors", KINDS[:2]), ("wall", KINDS)):
        measured_ms = sum(step[kind] for step in real.values() for kind in kinds) / size
        modelled_ms = sum(modelled[kind] for kind in kinds) * 1_000 / size
        rows.append((what, measured_ms, modelled_ms, modelled_ms / measured_ms - 1))
    return rows


def check(found: Mapping[str, Any]) -> int:
    wrong = 0
    small, middle, large = sorted(found["sizes"], key=int)
    print(f"fitted to {small} and {large} at once, held against {middle}: ms a renewal")
    for what, measured_ms, modelled_ms, error in checked(found):
        is_wrong = abs(error) > ERROR_MAX[what]
        wrong += is_wrong
        print(f"{what:<12}{measured_ms:>8.2f} measured{modelled_ms:>8.2f} modelled{error:>+8.0%}{'  WRONG' * is_wrong}")
    return 1 if wrong else 0


def main() -> int:
    found = json.loads(COSTS.read_text())["renewals"]
    if sys.argv[1:] == ["check"]:
        return check(found)
    small, _, large = sorted(found["sizes"], key=int)
    costs = fitted(found["sizes"], small=small, large=large)
    wanted = dict(each.split("=", 1) for each in sys.argv[1:])
    renewals = int(wanted.pop("renewals", 1_000_000))
    if wanted:
        site = replace(Site(workers=1, cores=2), **{name: json.loads(value) for name, value in wanted.items()})
        show([row_of(" ".join(sys.argv[1:]), simulate(site, costs, renewals=renewals))])
        return 0
    rows, lines = [], []
    for case in cases():
        outcome = simulate(case.site, costs, renewals=renewals)
        rows.append(row_of(case.name, outcome))
        shown = [(at_s / HOUR_S, waiting / 1_000) for at_s, waiting in outcome.backlog[::4] if at_s <= 24 * HOUR_S]
        lines.append(Line(case.name, shown))
        print(f"  {case.name}", file=sys.stderr, flush=True)
    show(rows)
    PICTURE.parent.mkdir(exist_ok=True)
    title = f"Renewals due and not yet done, {renewals:,} on the first of the month (simulated)"
    PICTURE.write_text(chart(title, lines, across="hours since the first midnight", up="thousands", x_step=3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
