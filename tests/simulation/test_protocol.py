"""L1: the payment protocol in virtual time, with faults of every kind; and protocols that are wrong in one line."""

import os
from collections import Counter

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import run

SEEDS = 200
SEEDS_FULL = 5_000
FEW = 20
# What a run of all seeds must have seen, or it has shown nothing.
SOMETIMES = {"charged_timeout": 20, "crash_after_charge": 5, "jumps": 5, "webhook_duplicated": 10}
# Which invariants may be the ones that see it: a mutant that dies of anything else shows that the model is wrong.
CAUGHT_BY = {
    "check_then_insert": {"I13"},
    "number_outside": {"I16"},
    "no_dedupe": {"I20"},
    "stale_overwrites": {"I18"},
    "new_key_per_retry": {"I04"},
    "no_reconciler": {"I05", "I21", "liveness"},
    "timeout_is_failure": {"I04", "I05", "I22"},
    "blind_recharge": {"I04"},
    "one_step": {"I04"},
    "acks_before_effect": {"I05", "I21", "liveness", "I15"},
    "marks_before_publish": {"I19"},
    "not_found_is_failed": {"I04", "I05", "I22"},
    "cursor_by_id": {"I05", "I19", "I21", "liveness"},
    "decline_left_open": {"I22"},
    "two_paths": {"I04", "I22"},
    "keeps_overpayments": {"I04"},
    "blind_holding": {"I04", "I22"},
}


def all_well(seeds: range) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        result = run(seed)
        assert not result.failure, f"\n{result}"
        seen += result.seen
    return seen


@pytest.mark.timeout(600)
def test_the_protocol_keeps_every_invariant_through_every_fault():
    seen = all_well(range(SEEDS))
    missing = {what: seen[what] for what, least in SOMETIMES.items() if seen[what] < least}
    assert not missing, f"the storm was too calm to show anything: {missing}"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_dies(mutant):
    for seed in range(SEEDS):
        result = run(seed, mutant)
        if result.failure:
            assert result.invariant in CAUGHT_BY[mutant], f"\n{result}"
            return
    raise AssertionError(f"{mutant} survives {SEEDS} seeds: the workload is too kind")


def test_the_same_seed_makes_the_same_trace():
    twins = [(run(seed).digest, run(seed).digest) for seed in range(FEW)]
    assert all(one == other for one, other in twins)
    assert len({one for one, _ in twins}) == FEW


def test_a_failure_says_how_to_have_it_again():
    failed = next(result for seed in range(SEEDS) if (result := run(seed, "new_key_per_retry")).failure)
    again = run(failed.seed, "new_key_per_retry")
    assert (again.digest, again.failure) == (failed.digest, failed.failure)
    assert f"--seed {failed.seed} --mutant new_key_per_retry" in str(failed)
    assert failed.trace, "the last events are told"


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("TESTS_FULL") != "1", reason="TESTS_FULL=1 runs thousands of seeds")
@pytest.mark.timeout(3_600)
def test_thousands_of_seeds_find_nothing_else():
    all_well(range(SEEDS, SEEDS_FULL))
