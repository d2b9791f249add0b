"""The direction of every import, and that the contracts notice when it is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, SOURCE, pages

LINT = Path(sys.executable).parent / "lint-imports"


def test_every_contract_is_kept():
    done = lint(SOURCE)
    assert done.returncode == 0, done.stdout
    assert " 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("kernel/money.py", "import guilder.platform.clock", "Five floors, one direction"),
        ("platform/clock.py", "import guilder.domain.ledger.model", "Five floors, one direction"),
        ("platform/clock.py", "import guilder.platform.db.tx", "Platform has its own floors"),
        ("domain/catalog/model.py", "import guilder.domain.payments.model", "Rooms: calls go down, events go up"),
        ("domain/catalog/model.py", "import guilder.domain.customers.model", "Rooms: calls go down, events go up"),
        ("domain/ledger/model.py", "import guilder.domain.ledger.events", "Inside every room the same order of files"),
        ("domain/ledger/model.py", "import asyncpg", "Nouns, facts and rules touch nothing"),
        ("domain/ledger/service.py", "import asyncpg", "Only store speaks SQL"),
        ("domain/ledger/surprise.py", "", "Inside every room the same order of files"),
        ("domain/surprise/__init__.py", "", "Rooms: calls go down, events go up"),
    ],
)
def test_a_breach_is_noticed(tmp_path, file, line, contract):
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    path = tmp_path / "src" / "guilder" / file
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as page:
        page.write(f"\n{line}\n")
    done = lint(tmp_path / "src")
    assert done.returncode != 0
    assert contract in done.stdout.replace("\n", " ")
    assert f"{contract} KEPT" not in done.stdout


def test_the_product_and_the_simulated_provider_meet_over_http_only():
    mixed = [
        page.name
        for page in pages("src")
        for other in ({"guilder", "simulated_provider"} - {page.place[0]} if page.place else ())
        if f"import {other}" in page.text or f"from {other}" in page.text
    ]
    assert mixed == []


def lint(source: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [LINT, "--no-cache", "--config", ROOT / ".importlinter"],
        check=False,
        capture_output=True,
        text=True,
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "300"},
    )
