import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.kernel.event import Event
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.platform.bus import codec
from guilder.platform.bus.reactions import AfterDeath, Reaction, Reactions, pattern
from guilder.platform.bus.retry import RetryPolicy, failure_of
from guilder.platform.bus.waves import waves
from guilder.platform.bus.window import Window
from tests.rooms.platform.ground import NOW

ONE = UUID(int=1)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Line:
    amount: Money
    share: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything(Event):
    name: ClassVar = "test.everything"
    topic: ClassVar = "test.events"

    customer_id: UUID
    paid: Money
    at: datetime
    on: date
    colour: Colour
    lines: tuple[Line, ...]
    note: str | None = None


EVENT = Everything(
    tenant_id=TenantId(ONE),
    customer_id=ONE,
    paid=Money(-(2**62), "JPY"),
    at=NOW,
    on=date(2026, 2, 28),
    colour=Colour.RED,
    lines=(Line(Money(1, "EUR"), Decimal("0.10")),),
    note="é\u2028😀",
)


def test_an_event_is_read_as_it_was_written() -> None:
    read = codec.decode(Everything, codec.encode(EVENT))
    assert read == EVENT
    assert str(read.lines[0].share) == "0.10", "an exact decimal keeps its digits"


def test_money_is_written_as_minor_units_and_currency() -> None:
    assert msgspec.json.decode(codec.encode(EVENT))["paid"] == {"minor": -(2**62), "currency": "JPY"}


def test_fields_of_a_newer_version_are_passed_over() -> None:
    newer = msgspec.json.decode(codec.encode(EVENT)) | {"colour_of_the_moon": 1}
    assert codec.decode(Everything, msgspec.json.encode(newer)) == EVENT


@pytest.mark.parametrize(
    "change",
    [
        {"paid": {"minor": 1.5, "currency": "EUR"}},
        {"paid": {"minor": "1", "currency": "EUR"}},
        {"colour": "blue"},
        {"at": "soon"},
    ],
)
def test_what_is_not_such_an_event_is_refused(change: dict[str, Any]) -> None:
    wrong = msgspec.json.decode(codec.encode(EVENT)) | change
    with pytest.raises(msgspec.ValidationError):
        codec.decode(Everything, msgspec.json.encode(wrong))


def test_an_event_that_is_a_document_is_refused() -> None:
    with pytest.raises(codec.EventTooLarge):
        codec.encode(_with_note("x" * codec.PAYLOAD_MAX_BYTES))


def _with_note(note: str) -> Everything:
    fields = {
        name: getattr(EVENT, name) for name in ("tenant_id", "customer_id", "paid", "at", "on", "colour", "lines")
    }
    return Everything(**fields, note=note)


def test_the_schema_names_every_field() -> None:
    schema = codec.json_schema(Everything)
    assert set(schema["$defs"]["Everything"]["properties"]) >= {"tenant_id", "customer_id", "paid", "lines"}


def test_every_imported_event_type_is_known_by_its_name() -> None:
    assert codec.known_types()["test.everything"] is Everything


@pytest.mark.parametrize(
    ("items", "wanted"),
    [
        ("", []),
        ("1a 2a 3a", [("a", "123")]),
        ("1a 1b 2a 2b", [("a", "12"), ("b", "12")]),
        ("1a 1b 1a", [("a", "1"), ("b", "1"), ("a", "1")]),
        ("1b 2a 2b 3b", [("b", "13"), ("a", "2"), ("b", "2")]),
    ],
)
def test_waves_are_few_and_keep_the_order_of_each_key(items: str, wanted: list[tuple[str, str]]) -> None:
    found = waves(items.split(), key=lambda item: item[0], name=lambda item: item[1])
    assert [(name, "".join(item[0] for item in wave)) for name, wave in found] == wanted


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=40))
def test_no_wave_overtakes_an_earlier_item_of_its_key(drawn: list[tuple[int, str]]) -> None:
    items = [(key, name, nth) for nth, (key, name) in enumerate(drawn)]
    found = waves(items, key=lambda item: item[0], name=lambda item: item[1])
    told = [item for _, wave in found for item in wave]
    assert sorted(told, key=lambda item: item[2]) == items
    assert all(item[1] == name for name, wave in found for item in wave)
    for key in range(4):
        mine = [item for item in told if item[0] == key]
        assert mine == sorted(mine, key=lambda item: item[2])


@given(st.integers(1, 600), st.integers(0, 10**9))
def test_the_one_at_fault_is_found_by_bisection(count: int, seed: int) -> None:
    bad, at, tries, window = random.Random(seed).randrange(count), 0, 0, Window(500)
    while True:
        size = min(window.size, count - at)
        tries += 1
        if at <= bad < at + size:
            window.failed(size)
            if size == 1:
                break
        else:
            window.succeeded(size)
            at += size
    assert (at, tries <= 13) == (bad, True)


def test_a_window_grows_back_to_full_size() -> None:
    window = Window(500)
    window.failed(1)
    for _ in range(9):
        window.succeeded(window.size)
    assert window.size == 500


def test_waits_grow_and_end() -> None:
    policy = RetryPolicy(jitter=0)
    seconds = [(policy.next_try(NOW, tries=n) - NOW) / timedelta(seconds=1) for n in range(1, 7)]
    assert seconds == [1, 5, 30, 120, 600, 0]
    assert [policy.is_over(n) for n in (5, 6)] == [False, True]
    assert NOW + timedelta(seconds=1) <= RetryPolicy().next_try(NOW, tries=1) <= NOW + timedelta(seconds=1.2)


@pytest.mark.shows("I29", "fault J6")
def test_an_error_that_quotes_a_secret_or_a_card_is_kept_without_it():
    failure = failure_of(ValueError("whsec_abcdefgh12345678 and 4242-4242-4242-4242 were refused"))
    for kept in (failure.reason, failure.traceback):
        assert "were refused" in kept
        assert "abcdefgh" not in kept
        assert "4242" not in kept


def test_a_failure_can_always_be_written_down() -> None:
    failure = failure_of(ValueError("a\x00b\ud800" + "x" * 5_000))
    assert len(failure.reason) <= 1_000
    assert "\x00" not in failure.reason + failure.traceback
    failure.reason.encode()


@pytest.mark.parametrize(
    ("topic", "wanted"), [("a.b", "a.b"), ("gateway.{gateway}.requests", "gateway.%.requests"), ("a_b%", r"a\_b\%")]
)
def test_a_topic_becomes_a_pattern(topic: str, wanted: str) -> None:
    assert pattern(topic) == wanted


async def _nothing(*_: object, **__: object) -> None: ...


def test_reactions_run_in_the_order_of_the_list_and_the_stricter_declaration_wins() -> None:
    first = Reaction("g", Everything, _nothing)
    second = Reaction("g", Everything, _nothing, AfterDeath.STAY_PARKED)
    reactions = Reactions([first, Reaction("other", Everything, _nothing), second])
    assert reactions.of("g", "test.everything") == [first, second]
    assert reactions.of("g", "unheard.of") == []
    assert reactions.after_death("g", "test.everything") is AfterDeath.STAY_PARKED


def test_a_group_hears_all_or_single_events() -> None:
    reactions = Reactions([Reaction("audit", Event, _nothing)])
    assert (reactions.patterns("audit"), len(reactions.of("audit", "anything"))) == (["%"], 1)
    with pytest.raises(AssertionError, match="hears all"):
        Reactions([Reaction("audit", Event, _nothing), Reaction("audit", Everything, _nothing)])
