"""What is made from the code says what the code says."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from guilder.platform.http.naming import name_by_room
from guilder.wiring import published, topics
from guilder.wiring.reactions import REACTION_LIST
from guilder.wiring.routers import ROUTERS

ROOT = Path(__file__).parents[2]


def the_document() -> dict[str, Any]:
    app = FastAPI()
    for each in ROUTERS:
        app.include_router(each)
    document = app.openapi()
    name_by_room(document)
    return document


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
    theirs = {"published.charge", "refused.charge", "webhooks.ping"}
    assert set(described["components"]["messages"]) == {each.name for each in published.event_types()} | theirs


def test_what_a_product_publishes_over_kafka_is_described_and_no_broker_is_named():
    described = published.asyncapi(base_url="https://billing.example", version="0")
    assert {each["protocol"] for each in described["servers"].values()} == {"https", "kafka-secure"}
    assert described["servers"]["kafka"]["host"] == "{broker}"
    channels, messages = described["channels"], described["components"]["messages"]
    done = {each["channel"]["$ref"].rpartition("/")[2]: each["action"] for each in described["operations"].values()}
    assert done["publishedCharges"] == "receive"
    assert done["refusedCharges"] == "send"
    assert set(done) == set(channels)
    assert channels["publishedCharges"]["address"] == f"{topics.CHARGES}.{{tenant}}"
    assert channels["refusedCharges"]["address"] == f"{topics.REFUSED}.{{tenant}}"
    place = messages["published.charge"]["payload"]["schema"]["$ref"]
    address, _, name = place.rpartition("/")
    assert address == "https://billing.example/openapi.json#/components/schemas"
    document = the_document()
    assert {"specversion", "source", "data"} <= document["components"]["schemas"][name]["properties"].keys()


def test_no_two_models_have_one_title():
    # Generators call the class by the title, without its marks: of two alike, one is dropped with all that mentions it.
    schemas = the_document()["components"]["schemas"]
    titles = Counter(re.sub(r"\W|_", "", model.get("title", name)).lower() for name, model in schemas.items())
    assert [title for title, count in titles.items() if count > 1] == []
