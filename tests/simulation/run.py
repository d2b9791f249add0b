"""One run of L1: `python -m tests.simulation.run --seed 7 [--mutant new_key_per_retry]` does one again, and prints it."""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.actors import Cast
from tests.simulation.books import Books
from tests.simulation.engine import Sim, Violation
from tests.simulation.invariants import at_rest, checker, stuck
from tests.simulation.mutants import MUTANTS
from tests.simulation.protocol import Protocol
from tests.simulation.provider import Provider
from tests.simulation.storage import Store

STEPS = 2_500
QUIESCE_ROUNDS = 40
QUIESCE_STEPS = 300
# After the last fault: minutes for what is under way, then days for what dunning has planned.
ADVANCES_S = (60, 3_600, 86_400, 86_400, 86_400)


@dataclass(slots=True)
class Result:
    seed: int
    mutant: str
    digest: str
    steps: int
    failure: str = ""
    invariant: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        says, mutant = self.failure or "all is well", f" --mutant {self.mutant}" if self.mutant else ""
        lines = [
            *self.trace,
            f"seed {self.seed}, mutant {self.mutant or 'none'}, step {self.steps}, trace {self.digest}: {says}",
            f"again: .venv/bin/python -m tests.simulation.run --seed {self.seed}{mutant}",
        ]
        return "\n".join(lines)


def run(seed: int, mutant: str = "") -> Result:
    """Run one seed to its end: the storm, the calm, and what must hold then."""
    sim = Sim(seed)
    provider = Provider(sim)
    books = Books(sim, Store(sim), provider, MUTANTS[mutant] if mutant else Protocol())
    sim.on_kill = lambda where: _between(books, where)
    Cast(books).enter()
    failure = invariant = ""
    try:
        sim.run(STEPS, checker(books))
        failure = _quiesce(books)
        invariant = failure.partition(":")[0]
    except Violation as violation:
        failure, invariant = str(violation), violation.invariant
    except Exception as error:  # what a broken protocol trips over is as good as a violation
        if not mutant:
            raise RuntimeError(f"seed {seed}, step {sim.step}") from error
        failure, invariant = repr(error), "error"
    finally:
        sim.close()
    return Result(seed, mutant, sim.digest, sim.step, failure, invariant, sim.seen, list(sim.trace))


def _quiesce(books: Books) -> str:
    sim = books.sim
    sim.is_calm = True
    sim.bus_back_at = 0.0
    check, left = checker(books), ""
    for turn in range(QUIESCE_ROUNDS):
        sim.run(QUIESCE_STEPS, check)
        left = at_rest(books)
        if not left and turn > 2:
            return ""
        sim.seconds += ADVANCES_S[turn % len(ADVANCES_S)]
    return stuck(books) or left


def _between(books: Books, where: str) -> None:
    """Count a crash that lies between a charge at the provider and its record here."""
    key = where.removeprefix("call ")
    if not any(charge.business_key == key for charge in books.provider.charges):
        return
    for attempts in books.store.table("payments").values():
        if any(p.business_key == key and p.status.value != "succeeded" for p in attempts):
            books.sim.seen["crash_after_charge"] += 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=1, help="as many, beginning there")
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS])
    asked = parser.parse_args()
    for seed in range(asked.seed, asked.seed + asked.seeds):
        result = run(seed, asked.mutant)
        if result.failure or asked.seeds == 1:
            print(result)
        if result.failure:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
