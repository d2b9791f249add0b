"""What is read quickly is what is read in full: the same readings, and never more of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from guilder.domain.usage.model import Intake, SentReading
from guilder.domain.usage.schemas import quick
from guilder.domain.usage.schemas.wire import UsageIn, intake_to_wire
from guilder.kernel.errors import Malformed, Refusal
from guilder.platform.http import parsing
from guilder.platform.http.envelope import ok

EVENT = {"event_id": "e1", "organization_id": "org_1", "meter": "calls"}
CUSTOMER = "cus_01h455vb4pex5vsknk084sn02q"
CARD = "4111111111111111"


def in_full(body: bytes) -> list[SentReading] | None:
    """Read it as the handler does; None where it is refused."""
    try:
        return UsageIn.model_validate(parsing.parse(body)).readings()
    except (Refusal, Malformed, ValidationError):
        return None


def text_of(said: Any) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "said",
    [
        EVENT,
        {**EVENT, "value": 3},
        {**EVENT, "value": "0.0125"},
        {**EVENT, "value": -0},
        {**EVENT, "value": 1, "timestamp": "2026-03-01T12:00:00Z"},
        {**EVENT, "timestamp": "2026-03-01T12:00:00.123456Z", "subscription_id": "sub_01h455vb4pex5vsknk084sn02q"},
        {**EVENT, "properties": {"zone": "eu", "n": 3, "on": True, "off": False, "ö": "ü"}},
        {"event_id": "e1", "customer_id": CUSTOMER, "meter": "calls"},
        {"events": [EVENT, {**EVENT, "event_id": "e2", "properties": {}}]},
        {"events": [{**EVENT, "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}] * 1000},
        {**EVENT, "event_id": "12345678-1234-5678-9012-345678901234"},
    ],
)
def test_what_most_send_is_read_quickly_and_is_the_same(said):
    body = text_of(said)
    assert quick.read(body) is not None
    assert quick.read(body) == in_full(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b"\xef\xbb\xbf" + text_of(EVENT),
        text_of({"events": []}),
        text_of({"events": [EVENT] * 1001}),
        text_of({"events": [EVENT], "meter": "calls"}),
        text_of({"events": [EVENT], "value": "2"}),
        text_of({"events": [{**EVENT, "events": [EVENT]}]}),
        text_of({**EVENT, "event_id": "a b"}),
        text_of({**EVENT, "event_id": ""}),
        text_of({**EVENT, "event_id": "x" * 256}),
        text_of({**EVENT, "event_id": "a/b"}),
        text_of({**EVENT, "meter": ".calls"}),
        text_of({**EVENT, "meter": "c" * 65}),
        text_of({**EVENT, "organization_id": None}),
        text_of({**EVENT, "customer_id": CUSTOMER}),
        text_of({**EVENT, "value": 1.0}),
        text_of({**EVENT, "value": 1.5}),
        text_of({**EVENT, "value": True}),
        text_of({**EVENT, "value": "1e3"}),
        text_of({**EVENT, "value": "01"}),
        text_of({**EVENT, "value": 10**18}),
        text_of({**EVENT, "value": "٣"}),
        text_of({**EVENT, "timestamp": "2026-03-01"}),
        text_of({**EVENT, "timestamp": "2026-02-30T00:00:00Z"}),
        text_of({**EVENT, "timestamp": 1772366400}),
        text_of({**EVENT, "timestamp": "2026-03-01T12:00:00.1234567Z"}),
        text_of({**EVENT, "properties": {"n": 1.5}}),
        text_of({**EVENT, "properties": {"n": None}}),
        text_of({**EVENT, "properties": {"": "x"}}),
        text_of({**EVENT, "properties": {"n": "x" * 201}}),
        text_of({**EVENT, "properties": {"n" * 41: "x"}}),
        text_of({**EVENT, "properties": {str(n): n for n in range(21)}}),
        text_of({**EVENT, "subscription_id": "plan_1"}),
        text_of({**EVENT, "price": 1}),
        text_of({**EVENT, "event_id": CARD}),
        text_of({**EVENT, "organization_id": f"card {CARD}"}),
        text_of({**EVENT, "organization_id": "4111-1111-1111-1111"}),
        text_of({**EVENT, "properties": {"n": int(CARD)}}),
        text_of({**EVENT, "properties": {CARD: 1}}),
        text_of({**EVENT, "properties": {"ö": "４１１１１１１１１１１１１１１１"}}),
        text_of({**EVENT, "value": int(CARD)}),
        text_of({"events": [{**EVENT, "event_id": f"e{n}"} for n in range(50)] + [{**EVENT, "event_id": CARD}]}),
        b'{"event_id":"e1","event_id":"e1","organization_id":"org_1","meter":"calls"}',
        b'{"event_id":"e1","organization_id":"org_1","meter":"calls","value":1,"value":1}',
        b'{"event_id":"e1","organization_id":"org_1","meter":"calls","properties":{"a":1,"a":1}}',
        b'{"event_id":"e1","organization_id":"org_1","meter":"calls","properties":{"a":"1","a":"1"}}',
        b'{"events":[{"event_id":"e1","organization_id":"org_1","meter":"calls"}],"events":[]}',
        b'{"event_id":"e\\u0000","organization_id":"org_1","meter":"calls"}',
        b'{"event_id":"e1","organization_id":"\\ud800","meter":"calls"}',
        b'{"event_id":"e1","organization_id":"\xff","meter":"calls"}',
        text_of({**EVENT, "organization_id": "\ud800"}),
    ],
)
def test_what_is_refused_in_full_is_not_read_quickly(body):
    assert in_full(body) is None
    assert quick.read(body) is None


def test_an_odd_way_to_write_the_same_is_left_to_be_read_in_full():
    for body in (
        b'{"event\\u005fid":"e1","organization_id":"org_1","meter":"calls"}',
        text_of({**EVENT, "timestamp": "2026-03-01T13:00:00+01:00"}),
        text_of({**EVENT, "value": None}),
    ):
        assert in_full(body) is not None
        assert quick.read(body) is None


NAMES = st.sampled_from(
    ["event_id", "meter", "organization_id", "customer_id", "timestamp", "value", "properties", "subscription_id", "x"]
)
TEXTS = st.sampled_from(
    ["e1", "", "calls", "1", "0.50", "-7", "a b", "ö", CUSTOMER, CARD, "2026-03-01T12:00:00Z", "2026-13-01T12:00:00Z"]
) | st.text(max_size=30)
VALUES = TEXTS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
PROPERTIES = st.dictionaries(TEXTS, VALUES, max_size=4)
EVENTS = st.builds(
    lambda kept, more: {**{k: v for k, v in EVENT.items() if k in kept}, **more},
    st.sets(st.sampled_from(list(EVENT)), min_size=2),
    st.dictionaries(NAMES, VALUES | PROPERTIES, max_size=3),
)


@given(EVENTS | st.builds(lambda events: {"events": events}, st.lists(EVENTS, max_size=4)))
def test_whatever_is_sent_what_is_read_quickly_is_what_is_read_in_full(said):
    body = json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")
    read = quick.read(body)
    assert read is None or read == in_full(body)


@given(st.lists(st.tuples(st.text('!ab-é"\\', min_size=1), st.sampled_from(Intake)), min_size=1))
def test_an_answer_is_written_as_it_always_was(became):
    readings = [SentReading(path="", event_id=event_id, meter="m") for event_id, _ in became]
    outcomes = [outcome for _, outcome in became]
    in_words = ok(intake_to_wire(readings, outcomes)).model_dump_json()
    assert quick.answer(readings, outcomes).decode() == in_words
