"""What is made from the code says what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest

from guilder.wiring import published
from guilder.wiring.reactions import REACTION_LIST

ROOT = Path(__file__).parents[2]


def test_the_generated_documents_are_fresh():
    run = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "write_docs.py"), "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_event_has_a_name_of_its_own():
    names = [each.name for each in published.event_types()]
    assert len(names) == len(set(names))
    assert all(each.name.split(".")[0] == published.room_of(each) for each in published.event_types())


def test_who_listens_stands_above_who_announces():
    # An event goes up, or stays in its room; the import contract says the same of the handler's module.
    floors = [
        "identity",
        "customers catalog gateways ledger",
        "payments subscriptions usage",
        "invoicing",
        "orders dunning",
    ]
    floor_of = {
        room: n
        for n, rooms in enumerate([*floors, "entitlements", "notifications webhooks audit", "privacy"])
        for room in rooms.split()
    }
    down = [
        (each.event.__name__, each.group)
        for each in REACTION_LIST
        # Whoever hears everything names no event, and imports nobody.
        if not each.hears_all and floor_of[published.room_of(each.event)] > floor_of[each.group]
    ]
    assert down == []


@pytest.mark.shows("API9")
def test_the_description_of_events_is_whole():
    described = published.asyncapi(base_url="http://localhost:4000", version="0")
    assert described["asyncapi"] == "3.0.0"
    assert set(described["components"]["messages"]) == {each.name for each in published.event_types()}
