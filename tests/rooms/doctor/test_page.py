"""The page about the doctor names every check, with the grace that it has."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from guilder.wiring.doctor.checks import CHECKS, QUERIES

ROOT = Path(__file__).parents[3]
_ROW = re.compile(r"^\| (I[^|]+?) \|[^|]+\|\s*([^|]*?)\s*\|", re.MULTILINE)


def graces():
    page = (ROOT / "docs" / "operations" / "doctor.md").read_text()
    found = {}
    for names, said in _ROW.findall(page):
        checks = names.split(", ")
        told = [each.strip() for each in said.split(",")]
        found |= dict(zip(checks, told * len(checks) if len(told) == 1 else told, strict=False))
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_says_how_long_each_may_take(check):
    said = graces()[check.id]
    minutes = int(said.removesuffix(" min")) if said.endswith(" min") else 0
    assert timedelta(minutes=minutes) == check.grace


def test_every_query_is_of_a_check():
    folder = ROOT / "src" / "guilder" / "wiring" / "doctor" / "sql"
    assert {path.stem for path in folder.glob("*.sql")} == set(QUERIES) | {"ground"}
