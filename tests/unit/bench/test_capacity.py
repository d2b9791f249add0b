"""The model under bench/capacity.py: as near to the measured run as it says, nobody lost, more of something never slower."""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"
sys.path.insert(0, str(BENCH))
capacity, renewing = importlib.import_module("capacity"), importlib.import_module("_renewing")
drawing = importlib.import_module("_drawing")
sys.path.pop(0)


@pytest.fixture(scope="module")
def measured():
    return json.loads((BENCH / "costs.json").read_text())["renewals"]


@pytest.fixture(scope="module")
def costs(measured):
    small, _, large = sorted(measured["sizes"], key=int)
    return renewing.fitted(measured["sizes"], small=small, large=large)


def test_a_size_that_it_was_not_fitted_to_costs_what_was_measured(measured):
    for what, _, _, error in capacity.checked(measured):
        assert abs(error) <= capacity.ERROR_MAX[what], (what, error)


@pytest.mark.parametrize(
    ("few", "more"),
    [
        ({"calls_per_s": 20.0, "workers": 4}, {"calls_per_s": 200.0, "workers": 4}),
        ({"workers": 1, "calls_per_s": 1_000.0}, {"workers": 4, "calls_per_s": 1_000.0}),
        ({"workers": 4, "call_s": 2.0, "calls_per_s": 1_000.0}, {"workers": 4, "call_s": 0.2, "calls_per_s": 1_000.0}),
    ],
)
def test_more_of_what_is_short_makes_it_quicker_and_everybody_arrives(costs, few, more):
    arrivals = [(0.0, 200), (10.0, 100)]

    def run(said):
        site = renewing.Site(**{"cores": 2, **said})
        outcome = renewing.Renewing(site, costs, arrivals, seed=3).run(until_s=3_600)
        assert outcome.due == outcome.done == len(outcome.took.seconds) == 300
        assert outcome.backlog[-1][1] == 0
        assert all(0 <= used <= 1.000001 for used in outcome.used.values()), outcome.used
        return outcome.took.percentile(95)

    assert run(more) < 0.7 * run(few)


def test_no_provider_is_called_more_often_than_it_allows(costs):
    site = renewing.Site(workers=8, cores=8, calls_per_s=50.0, failing=0.0)
    outcome = renewing.Renewing(site, costs, [(0.0, 500)], seed=3).run(until_s=3_600)
    assert outcome.took.percentile(100) >= 500 * renewing.CALLS_EACH / 50.0


def test_what_finds_no_time_is_still_waiting_at_the_end(costs):
    site = renewing.Site(workers=1, cores=1, calls_per_s=1.0)
    outcome = renewing.Renewing(site, costs, [(0.0, 500)], seed=3).run(until_s=120)
    assert outcome.due == 500
    assert 0 < outcome.done < 500
    assert len(outcome.took.seconds) == outcome.done


def test_the_picture_is_well_formed_and_the_same_every_time():
    lines = [drawing.Line("a < b", [(0, 0), (1, 5), (2, 3)]), drawing.Line("c", [(0, 1), (2, 1)])]
    drawn = drawing.chart("Waiting & done", lines, across="hours", up="thousands", x_step=1)
    assert drawn == drawing.chart("Waiting & done", lines, across="hours", up="thousands", x_step=1)
    assert "a &lt; b" in drawn
    assert drawn.count("<polyline") == 2
    assert "Waiting &amp; done" in drawn


def test_the_page_says_what_was_measured(measured, costs):
    page = (BENCH.parent / "docs" / "design" / "scale.md").read_text()
    for kind, name in (("python_ms", "Python"), ("postgresql_ms", "PostgreSQL")):
        few, many = (
            sum(step[kind] for step in measured["sizes"][size]["steps"].values()) / int(size)
            for size in ("100", "1000")
        )
        each_ms = 1_000 * sum(cost.each[kind] for cost in costs.values())
        assert f"| processor, {name} | {few:.1f} ms | {many:.1f} ms | {each_ms:.1f} ms |" in page
    usage = json.loads((BENCH / "costs.json").read_text())["usage"]["a_thousand"]
    assert (
        f"{usage['python_ms'] / 1_000:.3f} ms of Python, {usage['postgresql_ms'] / 1_000:.3f} ms of PostgreSQL" in page
    )
    assert f"{usage['wal_bytes'] / 1_000:.0f} bytes of WAL" in page
    for case in capacity.cases():
        assert f"| {case.name} |" in page
