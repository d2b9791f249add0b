"""Lifecycles, pages, events, refusals."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import pytest

from guilder.kernel import ids, lifecycle
from guilder.kernel.errors import Conflict, Invalid, NotFound, Refusal
from guilder.kernel.event import Event, Message, events_of
from guilder.kernel.ids import TenantId
from guilder.kernel.page import Page, PageQuery, page_of

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    GONE = "gone"


class Move(StrEnum):
    SHUT = "shut"
    REMOVE = "remove"


MOVES = {Door.OPEN: {Move.SHUT: Door.SHUT}, Door.SHUT: {Move.REMOVE: Door.GONE}, Door.GONE: {}}


def test_a_step_in_the_table_is_taken():
    assert lifecycle.take(MOVES, Door.OPEN, Move.SHUT) is Door.SHUT


@pytest.mark.parametrize(
    ("state", "step", "words"), [(Door.OPEN, Move.REMOVE, "it allows: shut"), (Door.GONE, Move.SHUT, "nothing more")]
)
def test_a_step_that_is_not_in_the_table_is_refused_with_what_is(state, step, words):
    with pytest.raises(lifecycle.IllegalStep, match=words):
        lifecycle.take(MOVES, state, step)


def test_a_final_state_is_one_that_nothing_leaves():
    assert lifecycle.final(MOVES) == {Door.GONE}


def test_a_page_knows_whether_there_are_more():
    rows = ids.new_many(NOW, 3)
    assert page_of(rows, PageQuery(limit=2), lambda row: row) == Page(rows[:2], rows[1])
    assert page_of(rows, PageQuery(limit=3), lambda row: row) == Page(rows, None)
    assert Page([1, 2], None).map(str) == Page(["1", "2"], None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Event):
    name: ClassVar = "tests.asked"
    topic: ClassVar = "gateway.{gateway}.requests"
    key: ClassVar = "subject_id"

    gateway: str
    subject_id: UUID


def test_an_event_names_its_stream_and_its_key():
    subject = ids.new(NOW)
    event = Asked(tenant_id=TenantId(ids.new(NOW)), gateway="simulated", subject_id=subject)
    assert event.stream == "gateway.simulated.requests"
    assert event.key_value == subject
    assert events_of([Message(id=subject, event=event, occurred_at=NOW, actor="test")]) == [event]


def test_an_event_needs_a_key():
    with pytest.raises(AssertionError):
        _ = Asked(tenant_id=TenantId(ids.new(NOW)), gateway="x", subject_id=None).key_value  # type: ignore[arg-type]


def test_a_refusal_speaks_for_itself():
    assert NotFound().detail == "There is no such thing."
    assert Invalid("too long", field="name").field == "name"
    assert issubclass(Conflict, Refusal)
