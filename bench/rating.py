"""What it costs to rate one charge, by kind: microseconds, the median of rounds. `python bench/rating.py [rounds]`.

No database and nothing else runs: this is arithmetic alone. Each result is looked at first, against the amount worked
out by hand.
"""

import statistics
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from guilder.domain.catalog.model import ChargeModel, MatrixCell, PriceModel, Tier
from guilder.domain.catalog.rules.rating import rate

ROUNDS = 50
CALLS = 1_000
D = Decimal
REGIONS = [f"region-{n}" for n in range(10)]
GROUPS = {(("region", name),): D(100) for name in REGIONS}
TIERS = (
    Tier(up_to=D(100), unit_amount=D(10)),
    Tier(up_to=D(1000), unit_amount=D("5.5"), flat_amount=D(100)),
    Tier(up_to=None, unit_amount=D("2.25")),
)
CELLS = tuple(MatrixCell(values=(("region", name),), unit_amount=D(n)) for n, name in enumerate(REGIONS))

# What is priced, by what, and what it comes to in cents.
KINDS: dict[str, tuple[PriceModel, dict[str, Any], int]] = {
    "flat": (PriceModel(model=ChargeModel.FLAT, unit_amount=D(3000)), {}, 3000),
    "per unit": (PriceModel(model=ChargeModel.PER_UNIT, unit_amount=D("0.0125")), {}, 19),
    "graduated, 3 tiers": (PriceModel(model=ChargeModel.GRADUATED, tiers=TIERS), {}, 7175),
    "volume, 3 tiers": (PriceModel(model=ChargeModel.VOLUME, tiers=TIERS), {}, 3375),
    "package": (PriceModel(model=ChargeModel.PACKAGE, unit_amount=D(999), package_size=D(1000)), {}, 1998),
    "percentage": (
        PriceModel(model=ChargeModel.PERCENTAGE, percent=D("1.4"), fixed_amount=D(25), free_value=D(1000)),
        {"events": 3, "value": D(10050)},
        202,
    ),
    "matrix, 10 cells": (
        PriceModel(model=ChargeModel.MATRIX, dimensions=("region",), cells=CELLS),
        {"groups": GROUPS},
        4500,
    ),
}


def main(rounds: int) -> None:
    print(f"microseconds to rate one charge: median of {rounds} rounds of {CALLS} (least, most)")
    for name, (model, use, minor) in KINDS.items():
        said: dict[str, Any] = {"quantity": D(1500), "currency": "EUR", **use}
        found = rate(model, **said).amount.minor
        if found != minor:
            sys.exit(f"{name} is {found}, not {minor}: no figure is shown")
        took = sorted(_round(model, said) for _ in range(rounds))
        print(f"{name:<20} {statistics.median(took):7.1f}  ({took[0]:.1f}, {took[-1]:.1f})")


def _round(model: PriceModel, said: dict[str, Any]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        rate(model, **said)
    return (time.perf_counter() - began) / CALLS * 1_000_000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
