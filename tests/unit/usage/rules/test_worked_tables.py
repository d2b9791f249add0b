"""The table in docs/design/usage.md is worked out again: what it says is what is done."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage.rules.aggregation import readings
from guilder.kernel.ids import CustomerId
from tests.support.builders.usage import a_counted, a_plain_meter, a_question

PAGE = Path(__file__).parents[4] / "docs" / "design" / "usage.md"
JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def table():
    lines = PAGE.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| aggregation |"))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 :]]
    return rows[: next(n for n, row in enumerate(rows) if len(row) < 4)]


def test_the_table_shows_every_aggregation():
    assert {row[0] for row in table()} == {each.value for each in Aggregation}


@pytest.mark.parametrize("row", table(), ids=lambda row: " ".join(row[:2]))
def test_a_row_says_what_june_comes_to(row):
    aggregation = Aggregation(row[0])
    meter = a_plain_meter(aggregation, "user" if aggregation is Aggregation.UNIQUE_COUNT else "")
    events = []
    for day, said in (each.split(":") for each in row[1].split()):
        at = JUNE + timedelta(days=int(day) - 1)
        events.append(
            a_counted(meter, at, properties={"user": said}) if meter.property else a_counted(meter, at, Decimal(said))
        )
    who = events[0].customer_id if events else CustomerId(meter.id)
    [reading] = readings(a_question(customer_id=who, meter=meter, starts_at=JUNE, ends_at=JULY), events)
    assert reading.quantity == Decimal(row[2])
