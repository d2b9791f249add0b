"""Instants and stretches of time as a person types them: `2026-03-01`, `1 month 2 days`."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from guilder.entrypoints.cli.speaking import Trouble

_PART = re.compile(r"(\d{1,6}) *(year|month|week|day|hour)s?", re.IGNORECASE)
_STEP = re.compile(rf"(?:{_PART.pattern}(?: *,? *(?:and)? *))+", re.IGNORECASE)


class Stretch(NamedTuple):
    months: int
    days: int
    hours: int


def instant(text: str) -> datetime:
    """Read a date or an instant; without a time zone it is UTC.

    :raises Trouble: it is neither
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Trouble(f"{text!r} is no instant; write it as 2026-03-01 or 2026-03-01T12:00:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def stretch(text: str) -> Stretch:
    """Read years, months, weeks, days and hours.

    :raises Trouble: there is something else in it, or nothing
    """
    if not _STEP.fullmatch(text.strip()):
        raise Trouble(f"{text!r} is no stretch of time; write it as '1 month', '2 weeks' or '1 day 6 hours'")
    total = dict.fromkeys(("year", "month", "week", "day", "hour"), 0)
    for count, unit in _PART.findall(text):
        total[unit.lower()] += int(count)
    return Stretch(12 * total["year"] + total["month"], 7 * total["week"] + total["day"], total["hour"])
