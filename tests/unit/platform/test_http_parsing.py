"""The one parser of JSON, and the look for card numbers."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guilder.kernel.errors import Invalid, Malformed
from guilder.platform.cards import looks_like_card
from guilder.platform.http import parsing

PLAIN = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_reads_what_was_written(value: Any):
    assert parsing.parse(json.dumps(value).encode()) == value


@pytest.mark.shows("ASVS 1.5.3", "fault F6")
@given(st.binary(max_size=200))
@example(b"\xff")
@example(b"")
@example(b'"\\ud800"')
@example(b"1" * 5000)
def test_answers_any_bytes_with_a_value_or_a_refusal(raw: bytes):
    try:
        parsing.parse(raw)
    except (Malformed, Invalid):
        return


@pytest.mark.shows("fault F6", "API4")
@pytest.mark.parametrize(("levels", "is_read"), [(32, True), (33, False)])
def test_goes_so_deep_and_no_deeper(levels: int, is_read: bool):
    raw = b"[" * levels + b"]" * levels
    if is_read:
        parsing.parse(raw)
        return
    with pytest.raises(parsing.TooDeep):
        parsing.parse(raw)


@pytest.mark.shows("ASVS 15.3.5")
def test_keeps_the_kinds_of_numbers_apart():
    assert [type(each) for each in parsing.parse(b"[1, 1.0, 1e0, -0]")] == [int, float, float, int]


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242", "4242-4242-4242-4242", "4242 4242 4242 4242", "pay with 4000056655665556, thanks",
        "5555555555554444", "2223003122003222", "378282246310005", "6011111111111117", "3056930009020004",
        "3566002020360505", "6200000000000005", "4222222222222", "(4242424242424242)", "card:4242424242424242",
        "4242\u00a04242\u00a04242\u00a04242",
    ],
)  # fmt: skip
def test_sees_a_card_number(text: str):
    assert looks_like_card(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "4242424242424241", "1234567890123", "1700000000000", "ch_4242424242424242", "x4242424242424242",
        "424242424242424", "+31 20 123 45 67", "2026-01-31 09:00:00", "NL91ABNA0417164300", "9999999999999999999",
        "42424242-4242-4242-4242-424242424242", "42424242424242424242424242",
    ],
)  # fmt: skip
def test_leaves_other_numbers_alone(text: str):
    assert not looks_like_card(text)
