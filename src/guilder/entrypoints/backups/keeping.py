"""Which backups are kept: the newest of each of the last days, weeks and months that have one."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from guilder.entrypoints.backups.errors import BackupTrouble

DEFAULT = "daily=7,weekly=5,monthly=12"
_RULE = re.compile(r"(daily|weekly|monthly)=(\d{1,4})")


class Keep(NamedTuple):
    daily: int
    weekly: int
    monthly: int


def parsed(text: str) -> Keep:
    """Read `daily=7,weekly=5,monthly=12`; what is not named is 0.

    :raises BackupTrouble: it is not that, or would keep nothing
    """
    found = dict.fromkeys(Keep._fields, 0)
    for part in text.split(","):
        match = _RULE.fullmatch(part.strip())
        if match is None:
            raise BackupTrouble(f"--keep {text!r} is not understood; write it as {DEFAULT}")
        found[match[1]] = int(match[2])
    if not any(found.values()):
        raise BackupTrouble("--keep would keep no backup at all; name at least daily=1")
    return Keep(**found)


def kept(taken_at: Sequence[datetime], keep: Keep) -> set[datetime]:
    """Return which are kept. The newest always is; of a day, a week (from Monday) or a month it is its newest one.

    Days without a backup are not counted: a machine that was off for a month loses none for that.
    """
    newest_first = sorted(taken_at, reverse=True)
    spans: tuple[tuple[int, Callable[[datetime], object]], ...] = (
        (keep.daily, lambda at: at.date()),
        (keep.weekly, lambda at: at.isocalendar()[:2]),
        (keep.monthly, lambda at: (at.year, at.month)),
    )
    chosen = set(newest_first[:1])
    for count, span in spans:
        seen: list[object] = []
        for at in newest_first:
            if span(at) not in seen:
                seen.append(span(at))
                if len(seen) > count:
                    break
                chosen.add(at)
    return chosen
