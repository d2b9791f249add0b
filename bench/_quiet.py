"""Turns on a machine that several people measure on."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Whoever waits to be alone needs a moment in which nobody shares it.
LET_IN_S = 0.2
# Nobody waits for ever: then it is measured in company, and said.
ALONE_WITHIN_S, LOOK_S = 30.0, 0.05


@contextmanager
def quiet(*, alone: bool = True) -> Iterator[bool]:
    """Hold the lock on the file that QUIET names, if it names one: alone to measure, shared for what only keeps cores busy.

    `flock FILE` and `flock -s FILE` around other commands take turns with it. A script whose preparation takes long locks
    step by step, and lets others in between. Yields whether nobody else may work meanwhile, as far as is known.
    """
    if not (path := os.environ.get("QUIET")):
        yield True
        return
    with Path(path).open("a") as file:
        is_alone = alone and _is_alone(file)
        if not is_alone:
            fcntl.flock(file, fcntl.LOCK_SH)
        yield is_alone
    if not alone:
        time.sleep(LET_IN_S)


def _is_alone(file: IO[str]) -> bool:
    give_up_at = time.monotonic() + ALONE_WITHIN_S
    while time.monotonic() < give_up_at:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_S)
        else:
            return True
    print("  (others are at work meanwhile)", file=sys.stderr, flush=True)
    return False
