"""Tables for people's spreadsheets: RFC 4180, with every cell in quotes and no cell that is a formula.

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return, and what a customer typed may begin
with one. Such text gets an apostrophe in front, which spreadsheets take for "this is text". The same within the text where
another reader's separator (`;`, `|`, a tab, a line break) would begin a cell. Numbers of ours are numbers and stay as they are.
What must come back byte for byte is exported as JSON lines: an apostrophe added here is not told from one that was there.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

Cell = str | int | Decimal | bool | date | datetime | None

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"

# Where a cell may begin: at the start, and behind what another reader takes for a separator.
_BREAK = r";|\t\r\n\v\f\x85\u2028\u2029"
# Some spreadsheets trim what stands before a formula, and fold the wide signs to the narrow ones.
_FORMULA = re.compile(
    rf"^(?=[{_BREAK}])|(^|[{_BREAK}])(?=(?:(?![{_BREAK}])[\s\u200b\ufeff])*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212])"
)


def lines(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Write a table line by line, the names of its columns first: as much is held as one row takes."""
    yield line(head)
    for row in rows:
        assert len(row) == len(head), (len(row), len(head))
        yield line(row)


def line(cells: Sequence[Cell]) -> str:
    return ",".join(map(cell, cells)) + "\r\n"


def cell(value: Cell) -> str:
    """Write one cell, in quotes if it is text: instants in UTC, decimals with all their digits, None as nothing."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            assert value.is_finite(), value
            return f"{value:f}"
        case datetime():
            assert value.tzinfo, value
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case str():
            return '"' + harmless(value).replace('"', '""') + '"'


def harmless(text: str) -> str:
    """Return text that no spreadsheet runs."""
    return _FORMULA.sub(r"\1'", text)
