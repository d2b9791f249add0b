"""The table of `make bench`: holds each row against its target, and shows nothing of a run that was not right."""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"
sys.path.insert(0, str(BENCH))
said, table = importlib.import_module("_table"), importlib.import_module("table")
sys.path.pop(0)

RIGHT = """
import json, pathlib, sys
folder = pathlib.Path(__file__).parent / "results"
folder.mkdir(exist_ok=True)
rows = [{"what": "a", "ratio": 0.8, "target": 0.7, "unit": "of b", "figures": {}, "at_most": False}]
(folder / "tried-20260101T000000.json").write_text(json.dumps({"rows": rows, "machine": {"cores": 2}}))
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "HERE", tmp_path)
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results")

    def run(source):
        (tmp_path / "tried.py").write_text(source)
        return table.run(table.Script("tried"), (), limit_s=120)

    return run


@pytest.mark.parametrize(
    ("ratio", "at_most", "is_reached"),
    [(0.7, False, True), (0.69, False, False), (0.7, True, True), (0.71, True, False)],
)
def test_reaches_its_target_from_the_side_that_is_better(ratio, at_most, is_reached):
    row = said.Row(**said.row("a", ratio, 0.7, unit="of b", at_most=at_most))
    assert row.is_reached is is_reached
    assert ("**missed**" in said.markdown([row])) is not is_reached


def test_shows_the_rows_of_a_script_that_was_right(script):
    ran = script(RIGHT)
    assert [(row.what, row.ratio) for row in ran.rows] == [("a", 0.8)]
    assert ran.machine == {"cores": 2}


def test_shows_the_reason_and_no_figure_of_a_script_that_was_wrong(script):
    """Its figures of another day lie about."""
    script(RIGHT)
    (ran,) = script("import sys; sys.exit('No figures: the doctor found 3')").rows
    assert ran == said.Refused("tried", "No figures: the doctor found 3")
    assert "0.8" not in said.markdown([ran])


def test_shows_no_figure_that_was_written_before_a_script_failed(script):
    (ran,) = script(RIGHT + "sys.exit('and then it failed')").rows
    assert ran == said.Refused("tried", "and then it failed")


def test_reads_what_was_written_down_last_without_running_anything(script):
    script(RIGHT)
    assert [row.ratio for row in table.once(table.Script("tried"), "last").rows] == [0.8]
    (ran,) = table.once(table.Script("never"), "last").rows
    assert ran == said.Refused("never", "it wrote nothing down")


def test_refuses_what_says_no_rows(script):
    (ran,) = script(RIGHT.replace('"rows": rows, ', "")).rows
    assert isinstance(ran, said.Refused)
    (ran,) = script(RIGHT.replace("rows = [{", "rows = [] and [{")).rows
    assert isinstance(ran, said.Refused)


def test_takes_no_figures_of_a_run_before_for_those_of_this_one(script):
    script(RIGHT)
    (ran,) = script("").rows
    assert ran == said.Refused("tried", "it wrote nothing down")


def test_reads_the_figures_of_a_billing_run_at_its_largest_size():
    each = {"ms": 0.5, "same_ms": 0.4, "ratio": 0.8, "wal_ratio": 1.2, "wal_bytes": 9_000.0}
    rounds = {"1000": [{**each, "ratio": 0.1}], "5000": [each, each, {**each, "ratio": 0.9}]}
    fast, slim = table.of_billing({"rounds": rounds})
    assert (fast["ratio"], fast["figures"]["due"], fast["figures"]["per_s"]) == (0.8, 5_000, 2_000)
    assert slim["at_most"]


def test_draws_what_a_script_gave_to_be_drawn():
    picture = {"title": "T", "lines": {"a": [[0, 1], [2, 3]]}, "across": "x", "up": "y", "x_step": 1}
    assert table.drawn(json.loads(json.dumps({"picture": picture}))).count("<polyline") == 1
    assert table.drawn({"picture": None}) is None


def test_the_page_shows_what_was_published_last():
    published = json.loads(table.PUBLISHED.read_text())
    assert table.shown(published) in table.PAGE.read_text()
    assert table.drawn(published) == table.PICTURE.read_text()
