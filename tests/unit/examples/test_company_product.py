"""The parts of the company product that need no Guilder to be wrong: its state, its cache, its retries."""

import importlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guilder.kernel import ids

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))
access, guilder, kafka, sending, states = (
    importlib.import_module(f"company_product.{name}") for name in ("access", "guilder", "kafka", "sending", "state")
)
sys.path.pop(0)

JOB = states.Job("job-1", "pixel", 1250, "EUR", "Rendering")


@pytest.fixture
def state(tmp_path):
    state = states.State(str(tmp_path / "farm.db"))
    yield state
    state.close()


def an_event(kind, number=1, **data):
    return {"id": f"e-{number}", "type": kind, "data": {"source": "farm", "source_id": "job-1", **data}}


def hear(state, *events, before=None, after="1"):
    return state.hear(events, source="farm", access=[], reader="feed", before=before, after=after)


def add(state, job=JOB):
    return state.add(job, sending.charge_of(job, source="farm"))


def said(customer, *, is_blocked, ago_s=0.0):
    return states.Access(customer, is_blocked, [], time.time_ns() - int(ago_s * 1e9))


class Charges:
    """Takes what it is told to take."""

    def __init__(self, *refused):
        self.refused, self.taken = refused, []

    def ask_charges(self, events):
        if any(each["id"] in self.refused for each in events):
            raise guilder.Refused("no_such_customer", "")
        self.taken += [each["id"] for each in events]
        return [f"chg_{each['id']}" for each in events]


def test_a_job_and_its_charge_are_written_once_together(state):
    assert add(state) == add(state)
    assert [event["id"] for _, event in state.to_send(limit=9)] == ["job-1"]
    with pytest.raises(states.Reused):
        add(state, states.Job("job-1", "pixel", 9, "EUR", "Rendering"))


def test_one_charge_at_fault_holds_back_no_other(state):
    for number in range(4):
        add(state, states.Job(f"job-{number}", "pixel", 5, "EUR", "x"))
    charges = Charges("job-2")
    assert sending.send_next(state, charges)
    assert charges.taken == ["job-0", "job-1", "job-3"]
    assert (state.job("job-2").status, state.job("job-2").reason) == ("refused", "no_such_customer")
    assert not sending.send_next(state, charges)


def test_what_came_late_takes_nothing_back(state):
    add(state)
    [(number, _)] = state.to_send(limit=1)
    hear(state, an_event("orders.charge.accepted"), an_event("orders.charge.settled", 2))
    state.sent([number], status="sent", charge_ids=["chg_1"])
    assert state.job("job-1").status == "settled"
    hear(state, an_event("orders.charge.failed", 3, reason="late"), before="1", after="2")
    assert state.job("job-1").status == "settled"


def test_an_event_is_heard_once_and_only_where_the_cursor_stood(state):
    add(state)
    assert hear(state, an_event("orders.charge.accepted")) == 1
    assert hear(state, an_event("orders.charge.accepted"), before="1", after="2") == 0
    with pytest.raises(states.Overtaken):
        hear(state, an_event("orders.charge.settled", 2), before="1", after="3")
    assert state.job("job-1").status == "accepted", "nothing of it happened"
    assert state.cursor("feed") == "2"


def test_the_younger_question_wins(state):
    state.keep(said("pixel", is_blocked=True))
    state.keep(said("pixel", is_blocked=False, ago_s=1))
    assert state.access("pixel").is_blocked
    state.keep(said("pixel", is_blocked=False))
    assert not state.access("pixel").is_blocked


@pytest.mark.parametrize(
    ("known_ago_s", "outcome"),
    [(10, "kept"), (access.FRESH_S + 10, "kept"), (access.FRESH_S + access.STALE_S + 10, "unknown"), (None, "unknown")],
)
def test_while_guilder_is_away_what_is_known_holds_for_a_while(state, known_ago_s, outcome):
    class Gone:
        def access(self, customer):
            raise guilder.Away("no answer")

    if known_ago_s is not None:
        state.keep(said("pixel", is_blocked=True, ago_s=known_ago_s))
    if outcome == "kept":
        assert access.of("pixel", state=state, guilder=Gone()).is_blocked
    else:
        with pytest.raises(access.Unknown):
            access.of("pixel", state=state, guilder=Gone())


def test_an_id_is_read_as_events_have_it():
    tenant_id = ids.new(datetime.now(UTC))
    assert kafka.plain_id(ids.to_text("ten", tenant_id)) == kafka.plain_id(str(tenant_id)) == str(tenant_id)
