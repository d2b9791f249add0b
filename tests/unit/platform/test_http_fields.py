"""The fields of a body."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NewType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from guilder.kernel import ids
from guilder.platform.http.fields import (
    Code,
    CountryCode,
    CurrencyCode,
    Email,
    Exact,
    IdOf,
    IdOrCode,
    In,
    Instant,
    Language,
    Metadata,
    MinorAmount,
    Quantity,
    Text,
    TimeZone,
)

ThingId = NewType("ThingId", UUID)


class Colour(StrEnum):
    RED = "red"


class Line(In):
    amount: MinorAmount


class Thing(In):
    id: Annotated[ThingId, IdOf("thing")] | None = None
    plan: Annotated[ThingId | str, IdOrCode("plan")] | None = None
    colour: Colour = Colour.RED
    day: date | None = None
    at: Instant | None = None
    raw_at: datetime | None = None
    price: Exact | None = None
    is_new: bool = False
    pair: tuple[int, ...] = ()
    lines: list[Line] = []
    by_name: dict[str, Line] = {}
    currency: CurrencyCode = "EUR"
    country: CountryCode | None = None
    zone: TimeZone | None = None
    language: Language | None = None
    email: Email | None = None
    code: Code | None = None
    quantity: Quantity = 1
    note: Annotated[str, Text(5)] | None = None
    metadata: Metadata = {}


AN_ID = UUID("019b76da-a800-7000-968f-9d6c94eca3df")  # the same in every process: it is in the names of tests


@pytest.mark.shows("ASVS 15.3.5")
@pytest.mark.parametrize(
    ("field", "given_", "read"),
    [
        ("id", ids.to_text("thing", AN_ID), AN_ID),
        ("id", str(AN_ID), AN_ID),
        ("plan", "pro-2026", "pro-2026"),
        ("plan", ids.to_text("plan", AN_ID), AN_ID),
        ("colour", "red", Colour.RED),
        ("day", "2026-01-31", date(2026, 1, 31)),
        ("at", "2026-01-31T01:00:00+02:00", datetime(2026, 1, 30, 23, tzinfo=UTC)),
        ("at", "2026-01-31T01:00:00.123456Z", datetime(2026, 1, 31, 1, 0, 0, 123456, tzinfo=UTC)),
        ("price", "0.0125", Decimal("0.0125")),
        ("price", "-12", Decimal(-12)),
        ("pair", [1, 2], (1, 2)),
        ("zone", "Asia/Kathmandu", "Asia/Kathmandu"),
        ("language", "zh-Hant-TW", "zh-Hant-TW"),
        ("email", "jörg.o'neil+x@exämple.co.uk", "jörg.o'neil+x@exämple.co.uk"),
        ("country", "NL", "NL"),
    ],
)
def test_read_what_json_says(field: str, given_: Any, read: Any):
    assert getattr(Thing.model_validate({field: given_}), field) == read


@pytest.mark.shows("ASVS 15.3.5", "fault F4", "fault F8", "ASVS 15.3.3", "API3")
@pytest.mark.parametrize(
    ("field", "given_"),
    [
        ("id", ids.to_text("other", AN_ID)), ("id", "thing_"), ("id", 5), ("id", f"urn:uuid:{AN_ID}"),
        ("plan", ids.to_text("other", AN_ID) + "!"), ("plan", "a b"), ("plan", ""),
        ("colour", "blue"), ("colour", 1),
        ("day", 5), ("day", "1700000000"), ("day", "31-01-2026"),
        ("at", "2026-01-31T01:00:00"), ("at", "2026-01-31"), ("at", 1700000000), ("at", "0001-01-01T00:00:00+14:00"),
        ("at", "0001-01-01T00:00:00Z"), ("at", "9999-12-31T23:59:59.999999Z"),
        ("raw_at", 1700000000), ("raw_at", "1700000000"),
        ("price", 0.1), ("price", 1), ("price", "1e5"), ("price", "1_0"), ("price", "NaN"), ("price", "0." + "1" * 13),
        ("is_new", 1), ("is_new", "true"), ("is_new", "yes"),
        ("pair", ["1"]), ("pair", [True]), ("pair", [1.0]),
        ("lines", [{"amount": "1"}]), ("lines", [{"amount": True}]), ("lines", [{"amount": 2**63}]),
        ("by_name", {"a": {"amount": 1.0}}), ("by_name", {"a": {"amount": 1, "paid": 1}}),
        ("currency", "eur"), ("currency", "XXX"), ("country", "nl"), ("country", "UK"),
        ("zone", "Mars/Base"), ("zone", "../etc/passwd"), ("language", "english"), ("language", "en_GB"),
        ("email", "a"), ("email", "a@b"), ("email", "a@b.c, d@e.f"), ("email", "a\n@b.cd"), ("email", "<a@b.cd>"),
        ("email", "a@b.cd\r\nBcc: x@y.zz"), ("code", "../x"), ("code", "a" * 65), ("code", "ok\n"),
        ("language", "en\n"), ("quantity", 0), ("quantity", 10**9 + 1), ("note", "123456"), ("note", ""),
        ("metadata", {"a": None}), ("metadata", {"": "x"}), ("unknown", 1),
    ],
)  # fmt: skip
def test_refuse_what_is_not_said_exactly(field: str, given_: Any):
    with pytest.raises(ValidationError) as refused:
        Thing.model_validate({field: given_})
    assert refused.value.errors()[0]["loc"][0] == field


def test_say_in_words_what_form_a_text_has_and_in_the_schema_by_its_pattern():
    with pytest.raises(ValidationError) as refused:
        Thing.model_validate({"language": "english"})
    [fault] = refused.value.errors()
    assert (fault["type"], fault["msg"]) == (
        "string_pattern_mismatch", "should be a language tag such as en, pt-BR or zh-Hant",
    )  # fmt: skip
    said = TypeAdapter(Language).json_schema()
    assert re.fullmatch(said["pattern"], "pt-BR")
    assert not re.fullmatch(said["pattern"], "english")
    assert said["maxLength"] == 12


@pytest.mark.shows("ASVS 1.4.2", "fault F4")
@given(st.integers())
def test_keep_every_amount_of_64_bits_and_no_other(amount: int):
    fits = -(2**63 - 1) <= amount <= 2**63 - 1
    try:
        assert Line.model_validate({"amount": amount}).amount == amount
        assert fits
    except ValidationError:
        assert not fits


def test_write_ids_with_their_prefix():
    thing = Thing(id=ThingId(AN_ID), plan="pro")
    assert thing.model_dump(mode="json")["id"] == ids.to_text("thing", AN_ID)
    assert thing.model_dump(mode="json")["plan"] == "pro"


def test_write_exact_decimals_as_text():
    assert Thing(price=Decimal("0.10")).model_dump(mode="json")["price"] == "0.10"


def test_a_body_is_read_in_as_many_steps_however_often_it_is_named():
    def steps() -> int:
        return str(TypeAdapter(list[Thing]).core_schema).count("_text_first")

    first = steps()
    assert first > 0
    assert [steps() for _ in range(3)] == [first] * 3
