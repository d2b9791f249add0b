"""When a message that failed is tried again, and when it is given up."""

import random
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta

from guilder.platform.logging import mask_text

_SECOND = timedelta(seconds=1)
TRACEBACK_LINES_MAX = 12
REASON_CHARS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits after each failure; when they are used up, the message is dead. `jitter` adds up to that share of a wait."""

    waits: tuple[timedelta, ...] = (_SECOND, 5 * _SECOND, 30 * _SECOND, 120 * _SECOND, 600 * _SECOND)
    jitter: float = 0.2

    @property
    def tries_max(self) -> int:
        return len(self.waits) + 1

    def is_over(self, tries: int) -> bool:
        return tries >= self.tries_max

    def next_try(self, now: datetime, *, tries: int) -> datetime:
        """Return when to try again after this many failures; `now` itself, where there is no next time."""
        if self.is_over(tries):
            return now
        return now + self.waits[tries - 1] * (1 + self.jitter * random.random())  # noqa: S311  (jitter, not a secret)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message failed, as a person will read it."""

    reason: str
    traceback: str


def failure_of(error: BaseException) -> Failure:
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()[-TRACEBACK_LINES_MAX:]
    # PostgreSQL's text takes no NUL, and an error may quote what it choked on: a secret, too.
    reason = f"{type(error).__name__}: {error}"[:REASON_CHARS_MAX]
    return Failure(_plain(reason), _plain("\n".join(lines)))


def _plain(text: str) -> str:
    return mask_text(text.replace("\x00", "�").encode("utf-8", "replace").decode())
