"""The reckoner that the billing stories are checked by agrees with what was worked out by hand."""

import ast
import re
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support import arithmetic
from tests.support.arithmetic import (
    Span,
    days,
    days_30,
    graduated,
    half_up,
    instant,
    package,
    part_of,
    seconds,
    span,
    step,
    tax_in,
    tax_on,
    true_up,
    volume,
)

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "design" / "scenarios.md").read_text()
# 3000 × 352/720 = 1466.67 → 1467
SUM = re.compile(
    r"(?P<left>[-−0-9(][-−0-9 .×/+()]*?) = (?P<exact>[-−]?[0-9]+(?:\.[0-9]+)?)(?: → (?P<whole>[-−]?[0-9]+))?(?![0-9./])"
)
TIERS = [("100", "12.5", 0), (None, "10.25", 500)]


def iso(at):
    return f"{at:%Y-%m-%d %H:%M}"


def test_it_uses_nothing_of_the_product():
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(Path(arithmetic.__file__).read_text()))
        for name in (
            [each.name for each in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
        )
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert "guilder" not in imported
    assert "dateutil" in imported


@pytest.mark.parametrize(
    ("exact", "whole"),
    [("0.5", 1), ("-0.5", -1), ("1.5", 2), ("2.5", 3), ("-2.5", -3), ("2.4999", 2), (Fraction(1, 3), 0), (7, 7)],
)
def test_halves_are_rounded_away_from_zero(exact, whole):
    assert half_up(exact) == whole


def test_months_step_from_the_anchor_and_not_from_the_last_step():
    starts = [step("2026-01-31 12:00", "monthly", n) for n in range(5)]
    assert [f"{at:%m-%d}" for at in starts] == ["01-31", "02-28", "03-31", "04-30", "05-31"]
    assert [f"{step('2028-02-29', 'yearly', n):%Y-%m-%d}" for n in range(5)] == [
        "2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29",
    ]  # fmt: skip


def test_a_local_time_that_does_not_exist_is_the_next_one_that_does():
    assert iso(instant("2026-03-08 02:30", "America/Los_Angeles")) == "2026-03-08 10:00"
    assert iso(instant("2026-03-08 03:30", "America/Los_Angeles")) == "2026-03-08 10:30"
    assert iso(instant("2026-11-01 01:30", "America/Los_Angeles")) == "2026-11-01 08:30", "of two, the first"
    assert iso(instant("2026-03-08 16:00", "Asia/Kolkata")) == "2026-03-08 10:30"


def test_a_part_is_measured_against_the_full_period():
    june = span("2026-06-01", "monthly")
    rest = Span(instant("2026-06-16 08:00"), june.ends_at)
    assert seconds(rest, june) == Fraction(352, 720)
    assert days(rest, june) == Fraction(15, 30)
    may = span("2026-05-01", "monthly")
    assert days_30(Span(instant("2026-05-31"), may.ends_at), may) == Fraction(1, 30)
    assert days(Span(instant("2026-05-31"), may.ends_at), may) == Fraction(1, 31)
    assert part_of(3000, seconds(rest, june)) == 1467
    march = span("2026-03-01", "monthly", zone="America/Los_Angeles")
    assert (march.ends_at - march.starts_at).total_seconds() == 743 * 3600


def test_tiers_are_priced_unit_by_unit():
    assert graduated(0, TIERS) == 0, "no tier is entered"
    assert graduated(100, TIERS) == 1250, "a bound belongs to its tier"
    assert graduated(101, TIERS) == Fraction("1760.25")
    assert graduated("0.5", TIERS) == Fraction("6.25")
    assert volume(100, TIERS) == 1250
    assert volume(101, TIERS) == Fraction("1535.25")
    assert volume(0, TIERS) == 0
    assert [package(units, 100, 120, 50) for units in (0, 50, 51, 150, 151)] == [0, 0, 120, 120, 240]


def test_taxes_and_true_ups():
    assert (tax_on(977, 21), tax_on(-3000, 21), tax_in(11900, 19), tax_in(999, 19)) == (205, -630, 1900, 160)
    assert true_up(5000, Fraction(1, 2), 900) == 1600
    assert true_up(5000, Fraction(1, 2), 2501) == 0


def sums():
    for found in SUM.finditer(PAGE):
        yield found.group("left").strip(), found.group("exact"), found.group("whole")


def test_every_sum_of_the_page_of_stories_is_right():
    checked = 0
    for left, exact, whole in sums():
        value = _worked_out(left)
        shown = Fraction(exact.replace("−", "-"))
        places = len(exact.partition(".")[2])
        assert half_up(value * 10**places) == shown * 10**places, (left, exact, float(value))
        if whole is not None:
            assert half_up(value) == int(whole.replace("−", "-")), (left, whole)
        checked += 1
    assert checked > 40, "the page has its sums"


def _worked_out(written):
    """Evaluate a sum of the page exactly; every number of it is a fraction."""
    exact = re.sub(r"[0-9]+(?:\.[0-9]+)?", r'Fraction("\g<0>")', written.replace("×", "*").replace("−", "-"))
    return eval(exact, {"Fraction": Fraction, "__builtins__": {}})
