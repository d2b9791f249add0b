"""The one look for card numbers: whatever is one is found, and little else."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.platform.cards import looks_like_card, spans
from guilder.platform.http import parsing
from guilder.platform.logging import MASK, mask_text

# Each network's first digits and length.
NETWORKS = [
    ("4", 13), ("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15),
    ("300", 14), ("3095", 16), ("36", 14), ("38", 16), ("6011", 16), ("644", 16), ("65", 16), ("3528", 16),
    ("3589", 16), ("62", 16), ("62", 19), ("5018", 12 + 1), ("6759", 16), ("6763", 19), ("2200", 16), ("2204", 16),
    ("6062", 16), ("5085", 16), ("8171", 16), ("5067", 16), ("6362", 16), ("9792", 16), ("5019", 16),
]  # fmt: skip
SEPARATORS = [
    " ",
    "-",
    ".",
    "\u00a0",
    "\u202f",
    "\u2009",
    "\u2011",
    "\u2013",
    "\u200b",
    "_",
    "/",
    "\t",
    " - ",
    "\u00ad",
]
ZEROS = ["0", "\uff10", "\u0660", "\u06f0", "\u0966"]


def with_check_digit(body: str) -> str:
    """The textbook's Luhn, from the left, so that it is not the code's own."""
    total = 0
    for index, digit in enumerate(reversed([int(each) for each in body])):
        total += sum(divmod(digit * 2, 10)) if index % 2 == 0 else digit
    return body + str(-total % 10)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix, size = draw(st.sampled_from(NETWORKS))
    free = size - len(prefix) - 1
    return with_check_digit(prefix + draw(st.text("0123456789", min_size=free, max_size=free)))


@st.composite
def written(draw: st.DrawFn) -> str:
    """A card number as somebody may write it: in another script's digits, in groups of any size."""
    number = draw(card_numbers())
    zero = ord(draw(st.sampled_from(ZEROS)))
    separator = draw(st.sampled_from(SEPARATORS))
    groups = []
    while number:
        size = draw(st.integers(1, 8))
        groups.append("".join(chr(zero + int(each)) for each in number[:size]))
        number = number[size:]
    # A dot alone makes a decimal fraction of it: nobody groups a card so.
    return (separator if len(groups) > 2 else " ").join(groups)


@pytest.mark.shows("PCI eligibility", "I29")
@given(written())
def test_finds_every_number_of_every_network_however_it_is_written(text: str):
    assert looks_like_card(text)
    assert mask_text(f"card {text}, thanks") == f"card {MASK}, thanks"


@given(
    card_numbers(), st.sampled_from(["{}", "my card is {}!", "({})", "a={};b", "7 {} 12/34", "{}\n", "№ {}", "“{}”"])
)
def test_finds_it_within_a_sentence_and_beside_other_numbers(number: str, sentence: str):
    assert looks_like_card(sentence.format(number))


@given(card_numbers())
def test_refuses_it_in_json_as_text_as_key_and_as_number(number: str):
    for body in (f'{{"a": ["{number}"]}}', f'{{"{number}": 1}}', f'{{"a": {number}}}', f'{{"a": {number}.0}}'):
        with pytest.raises(parsing.CardNumberRefused):
            parsing.parse(body.encode())


@given(st.text("0123456789 -.", max_size=60))
def test_what_it_finds_is_thirteen_to_nineteen_digits_and_never_overlaps(text: str):
    end_before = 0
    for start, end in spans(text):
        assert start >= end_before
        assert 13 <= sum(letter.isdigit() for letter in text[start:end]) <= 19
        end_before = end


def _digits(rng: random.Random, size: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(size))


def _instant(rng: random.Random) -> datetime:
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.randrange(10**15))


def _iban(rng: random.Random) -> str:
    bban = _digits(rng, 18)
    check = 98 - int(bban + "131400") % 97  # DE in figures, and 00
    return f"DE{check:02}{bban}"


def _in_fours(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


# What else is long and of digits, and how much of it may be taken for a card, in parts of ten thousand.
OTHERS: list[tuple[str, Callable[[random.Random], str], int]] = [
    ("UUID", lambda rng: str(UUID(int=rng.getrandbits(128))), 0),
    ("UUID of digits alone", lambda rng: f"{_digits(rng, 8)}-{_in_fours(_digits(rng, 12)).replace(' ', '-')}-{_digits(rng, 12)}", 0),
    ("instant, ISO 8601", lambda rng: _instant(rng).isoformat(), 0),
    ("instant, seconds", lambda rng: str(int(_instant(rng).timestamp())), 0),
    ("instant, milliseconds", lambda rng: str(int(_instant(rng).timestamp() * 1000)), 0),
    ("instant, microseconds", lambda rng: str(int(_instant(rng).timestamp() * 10**6)), 0),
    ("instant, compact", lambda rng: f"{_instant(rng):%Y%m%d%H%M%S}", 0),
    ("id with a prefix", lambda rng: f"ord_{_digits(rng, 16)}", 0),
    ("IBAN", _iban, 0),
    ("IBAN in fours", lambda rng: _in_fours(_iban(rng)), 0),
    ("telephone", lambda rng: f"+{_digits(rng, 2)} {_digits(rng, 3)} {_digits(rng, 8)}", 0),
    ("fraction", lambda rng: f"{rng.randrange(1000)}.{_digits(rng, 16)}", 0),
    ("order number, 10 digits", lambda rng: _digits(rng, 10), 0),
    ("order number by day", lambda rng: f"2026{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}-{_digits(rng, 8)}", 0),
    ("random, 16 digits", lambda rng: _digits(rng, 16), 300),
    ("random, 19 digits", lambda rng: _digits(rng, 19), 300),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "make", "most"), OTHERS, ids=[each[0] for each in OTHERS])
def test_takes_little_else_for_a_card(kind: str, make: Callable[[random.Random], str], most: int):
    rng = random.Random(20_260)
    found = sum(looks_like_card(make(rng)) for _ in range(2_000))
    assert found * 5 <= most, f"{kind}: {found} of 2,000"


@pytest.mark.shows("fault F6")
def test_a_million_digits_are_looked_through_in_no_time():
    for text in ("1 " * 100_000, "1" * 200_000, "4242 " * 40_000, "DE12 " * 40_000):
        looks_like_card(text[:-1] + "x")
