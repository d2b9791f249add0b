"""A chain: whatever is changed in it is found, and named."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.audit.model import BEGINNING, Chain, Class, Entry, Head, Place
from guilder.domain.audit.rules import chain as chains
from guilder.domain.audit.rules.chain import FIELDS, Verifier
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId(UUID(int=7))
CHAIN = Chain(TENANT, 3)
EMPTY = Head(chain=CHAIN, kept_as=Class.BUSINESS, month=date(2026, 3, 1), place=BEGINNING)


def an_entry(n=0, **over):
    said = {
        "tenant_id": TENANT,
        "partition": 3,
        "id": UUID(int=n + 1),
        "at": NOW + timedelta(seconds=n),
        "recorded_at": NOW + timedelta(seconds=n),
        "actor": "api_key:key_1",
        "action": "invoicing.invoice.paid",
        "version": 1,
        "object_kind": "invoice",
        "object_id": UUID(int=99),
        "customer_id": CustomerId(UUID(int=5)),
        "request_id": "req_12345678",
        "sealed_reason": b"\x01\x02",
        "payload": f'{{"n":{n}}}',
        "traceparent": "00-aa-bb-01",
    }
    return Entry(**{**said, **over})


def a_chain(length=5):
    head, records = chains.appended(EMPTY, [an_entry(n) for n in range(length)])
    return head, records


def faults_of(records, head, **about):
    verifier = Verifier(CHAIN, **about)
    return [(fault.seq, fault.field, fault.what) for fault in [*verifier.walk(records), *verifier.end(head)]]


def test_a_chain_that_nobody_touched_is_sound():
    head, records = a_chain()
    assert faults_of(records, head.place) == []
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert [record.previous_hash for record in records[1:]] == [record.hash for record in records[:-1]]


def test_a_batch_at_a_time_makes_the_same_chain_as_all_at_once():
    head, records = a_chain(4)
    first, some = chains.appended(EMPTY, [an_entry(0)])
    then, more = chains.appended(first, [an_entry(n) for n in (1, 2, 3)])
    assert (then, [*some, *more]) == (head, records)


def test_months_never_go_back():
    late = an_entry(1, recorded_at=datetime(2026, 2, 28, tzinfo=UTC))
    head, records = chains.appended(
        EMPTY, [an_entry(0), late, an_entry(2, recorded_at=datetime(2026, 4, 2, tzinfo=UTC))]
    )
    assert [record.month for record in records] == [date(2026, 3, 1), date(2026, 3, 1), date(2026, 4, 1)]
    assert head.month == date(2026, 4, 1)


_OTHER = {
    "tenant_id": TenantId(UUID(int=8)),
    "partition": 4,
    "id": UUID(int=77),
    "at": NOW + timedelta(microseconds=1),
    "recorded_at": NOW - timedelta(microseconds=1),
    "actor": "api_key:key_2",
    "action": "invoicing.invoice.voided",
    "version": 2,
    "object_kind": "order",
    "object_id": None,
    "customer_id": CustomerId(UUID(int=6)),
    "request_id": None,
    "sealed_reason": None,
    "payload": '{"n":2 }',
    "traceparent": "",
}


@pytest.mark.parametrize("name", list(_OTHER))
def test_a_changed_field_of_an_event_is_named(name):
    head, records = a_chain()
    records[2] = replace(records[2], entry=replace(records[2].entry, **{name: _OTHER[name]}))
    assert faults_of(records, head.place) == [(3, name, f"{name} is not what was written")]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"kept_as": "sandbox"}, "class"),
        ({"month": date(2026, 4, 1)}, "month"),
        ({"checks": bytes(72)}, "checks"),
        ({"checks": b""}, "checks"),
        ({"hash": bytes(32)}, "hash"),
        ({"previous_hash": bytes(32)}, "previous_hash"),
    ],
)
def test_a_changed_field_of_its_place_is_named(change, name):
    head, records = a_chain()
    records[2] = replace(records[2], **change)
    assert [(seq, field) for seq, field, _ in faults_of(records, head.place)] == [(3, name)]


def test_a_removed_record_is_a_gap():
    head, records = a_chain()
    del records[2]
    assert faults_of(records, head.place) == [(3, "", "records 3 to 3 are missing")]


def test_a_removed_beginning_is_a_gap():
    head, records = a_chain()
    assert faults_of(records[2:], head.place)[0] == (1, "", "records 1 to 2 are missing")


def test_a_removed_end_leaves_the_head_ahead():
    head, records = a_chain()
    assert faults_of(records[:3], head.place) == [(4, "", "records 4 to 5 are missing: the head is ahead")]


def test_a_record_put_in_twice_is_found():
    head, records = a_chain()
    assert [seq for seq, _, _ in faults_of([*records[:3], records[2], *records[3:]], head.place)] == [3]


def test_swapped_records_are_found():
    head, records = a_chain()
    second, fourth = records[1], records[3]
    records[1] = replace(fourth, seq=2)
    records[3] = replace(second, seq=4)
    assert {seq for seq, _, _ in faults_of(records, head.place)} >= {2, 4}


def test_a_rewritten_end_without_its_head_is_found():
    head, records = a_chain()
    begun = Head(chain=CHAIN, kept_as=Class.BUSINESS, month=EMPTY.month, place=records[2].place)
    _, forged = chains.appended(begun, [an_entry(3, actor="nobody"), an_entry(4)])
    assert faults_of([*records[:3], *forged], head.place) == [
        (5, "head", "the head has another hash than the last record")
    ]


def test_a_wholly_rewritten_chain_contradicts_its_anchor():
    head, records = a_chain()
    begun = Head(chain=CHAIN, kept_as=Class.BUSINESS, month=EMPTY.month, place=records[1].place)
    forged_head, forged = chains.appended(begun, [an_entry(2, actor="nobody"), an_entry(3), an_entry(4)])
    rewritten = [*records[:2], *forged]
    assert faults_of(rewritten, forged_head.place) == [], "nothing within says so"
    told = {4: records[3].hash}
    assert [seq for seq, _, _ in faults_of(rewritten, forged_head.place, anchors=told)] == [4]
    assert faults_of(records, head.place, anchors=told) == []


def test_a_chain_cut_short_with_its_head_contradicts_its_anchor():
    _, records = a_chain()
    assert faults_of(records[:3], records[2].place, anchors={5: records[4].hash}) == [
        (5, "hash", "it was anchored, and the chain ends at 3")
    ]


def test_a_chain_goes_on_from_what_was_dropped():
    head, records = a_chain()
    assert faults_of(records[2:], head.place, start=records[1].place) == []
    assert faults_of(records[2:], head.place, start=Place(2, bytes(32)))[0][1] == "previous_hash"


def test_what_was_closed_and_is_there_is_found():
    head, records = a_chain()
    assert [seq for seq, _, _ in faults_of(records, head.place, start=records[1].place)] == [1, 2]


def test_a_chain_without_a_head_is_found():
    _, records = a_chain()
    assert [field for _, field, _ in faults_of(records, None)] == ["head"]


def test_nothing_and_empty_are_not_the_same():
    _, [one] = chains.appended(EMPTY, [an_entry(traceparent=None)])
    _, [other] = chains.appended(EMPTY, [an_entry(traceparent="")])
    assert one.hash != other.hash


def test_a_text_cannot_be_moved_into_the_next_field():
    _, [one] = chains.appended(EMPTY, [an_entry(actor="ab", action="c")])
    _, [other] = chains.appended(EMPTY, [an_entry(actor="a", action="bc")])
    assert one.hash != other.hash


# Columns whose bytes are changed below: all of a record but those that are no text and have a case above.
_TEXTS = ("actor", "action", "object_kind", "request_id", "payload", "traceparent")
_BYTES = ("checks", "previous_hash", "hash")


@given(data=st.data(), nth=st.integers(0, 4), name=st.sampled_from([*_TEXTS, "sealed_reason", *_BYTES]))
def test_any_single_byte_changed_in_any_column_is_found(data, nth, name):
    head, records = a_chain()
    record = records[nth]
    value = getattr(record, name) if name in _BYTES else getattr(record.entry, name)
    raw = bytearray(value if isinstance(value, bytes) else value.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.integers(0, 255 if isinstance(value, bytes) else 127).filter(lambda byte: byte != raw[at]))
    raw[at] = other
    changed = bytes(raw) if isinstance(value, bytes) else raw.decode()
    records[nth] = (
        replace(record, **{name: changed})
        if name in _BYTES
        else replace(record, entry=replace(record.entry, **{name: changed}))
    )
    found = faults_of(records, head.place)
    assert (nth + 1, name) in [(seq, field) for seq, field, _ in found]


def test_every_field_has_its_check():
    _, [record] = chains.appended(EMPTY, [an_entry()])
    assert len(record.checks) == 4 * len(FIELDS)
