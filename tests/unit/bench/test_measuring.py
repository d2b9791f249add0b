"""What growth, the mixed book and the soak make of what they saw; and turns on a machine that is shared."""

import fcntl
import importlib
import sys
from dataclasses import fields
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"
_path = [*sys.path]
sys.path.insert(0, str(BENCH))
book, growth, soak = (importlib.import_module(name) for name in ("_book", "growth", "soak"))
quiet = importlib.import_module("_quiet")
sys.path[:] = _path


def renewed(**ms):
    return growth.Renewed(**{each.name: 1.0 for each in fields(growth.Renewed)} | ms)


def test_growth_is_the_median_of_what_was_measured_in_turn_and_not_of_all():
    """A neighbour that slowed one round down slowed both sizes down."""
    figures = {
        100_000: [renewed(bill_ms=2.2), renewed(bill_ms=22.0), renewed(bill_ms=2.4)],
        10_000: [renewed(bill_ms=2.0), renewed(bill_ms=20.0), renewed(bill_ms=2.0)],
    }
    bill, whole, memory = growth.rows_of(figures, 312.0)
    assert bill["ratio"] == pytest.approx(1.1)
    assert bill["figures"]["ms_at_100000"] == 2.4
    assert whole["ratio"] == 1.0
    assert (memory["ratio"], memory["at_most"]) == (312.0, True)


def test_the_book_is_the_same_every_time_and_as_mixed_as_it_says():
    drawn = book.traits(10_000)
    assert drawn == book.traits(10_000)
    assert drawn[:50] == book.traits(50)
    wanted = {"uses": 0.30, "is_discounted": 0.20, "is_taxed": 0.40, "is_changing": 0.05, "fails": 0.02}
    for name, share in wanted.items():
        assert sum(getattr(each, name) for each in drawn) / 10_000 == pytest.approx(share, abs=0.02), name
    assert {each.currency for each in drawn} == {"EUR", "GBP", "USD"}


def test_a_soak_names_the_table_that_grew_and_leaves_out_what_is_kept():
    def seen(**sizes):
        return soak.Seen(60.0, 1.0, 200.0, {name.replace("__", "."): size << 20 for name, size in sizes.items()})

    early = seen(ledger__postings=10, platform__intents=4, customers__customers=20)
    late = seen(ledger__postings=90, platform__intents=8, customers__customers=20)
    memory, table = soak.rows_of([early, early, late], renewals=300)
    assert memory["ratio"] == 1.0
    assert (table["ratio"], table["figures"]["table"]) == (2.0, "platform.intents")


def test_whoever_measures_is_alone_and_whoever_prepares_is_not(tmp_path, monkeypatch):
    def is_free(for_):
        with path.open("a") as file:
            try:
                fcntl.flock(file, for_ | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    path = tmp_path / "quiet"
    monkeypatch.setenv("QUIET", str(path))
    monkeypatch.setattr(quiet, "LET_IN_S", 0)
    with quiet.quiet():
        assert not is_free(fcntl.LOCK_SH)
    with quiet.quiet(alone=False):
        assert is_free(fcntl.LOCK_SH)
        assert not is_free(fcntl.LOCK_EX)
    assert is_free(fcntl.LOCK_EX)


def test_nobody_takes_turns_where_no_file_is_named(monkeypatch):
    monkeypatch.delenv("QUIET", raising=False)
    with quiet.quiet():
        pass
