"""Time as a person types it."""

from datetime import UTC, datetime

import pytest

from guilder.entrypoints.cli.instants import instant, stretch
from guilder.entrypoints.cli.speaking import Trouble


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:30:00Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        (" 2026-03-01 12:30 ", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:00+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_reads_an_instant(text, expected):
    assert instant(text) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "1 month"])
def test_says_how_an_instant_is_written(text):
    with pytest.raises(Trouble, match="2026-03-01"):
        instant(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 month", (1, 0, 0)),
        ("2 years 1 month", (25, 0, 0)),
        ("1 Day, 6 hours", (0, 1, 6)),
        ("2 weeks and 3 days", (0, 17, 0)),
        ("36h", None),
        ("-1 month", None),
        ("1.5 months", None),
        ("month", None),
        ("1 month ago", None),
        ("", None),
    ],
)
def test_reads_a_stretch_of_time_or_says_how_it_is_written(text, expected):
    if expected is not None:
        assert stretch(text) == expected
        return
    with pytest.raises(Trouble, match="1 month"):
        stretch(text)
