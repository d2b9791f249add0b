"""Zones: those of the release, not those of the machine."""

import importlib.resources
import os
import subprocess
import sys

import pytest

OFFSET = """
import sys, zoneinfo
zoneinfo.reset_tzpath(to=sys.argv[1:] or None)
import guilder
from datetime import UTC, datetime
print(datetime(2025, 1, 1, tzinfo=UTC).astimezone(zoneinfo.ZoneInfo("Africa/Casablanca")).utcoffset())
"""
IN_THE_RELEASE = "1:00:00"
ON_THE_MACHINE = "9:00:00"


@pytest.fixture
def machine(tmp_path):
    """A machine whose table of zones is of another time: in it Casablanca goes by the clock of Tokyo."""
    tokyo = importlib.resources.files("tzdata.zoneinfo.Asia").joinpath("Tokyo").read_bytes()
    (tmp_path / "Africa").mkdir()
    (tmp_path / "Africa" / "Casablanca").write_bytes(tokyo)
    return str(tmp_path)


def test_the_zones_of_the_machine_bill_nobody(machine):
    assert offset(machine) == IN_THE_RELEASE


def test_a_table_that_is_named_is_meant(machine):
    assert offset(PYTHONTZPATH=machine) == ON_THE_MACHINE


def offset(*path: str, **named: str) -> str:
    """Ask a process of its own: zones are read once."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONTZPATH"}
    command = [sys.executable, "-c", OFFSET, *path]
    return subprocess.run(command, env=environment | named, capture_output=True, text=True, check=True).stdout.strip()
