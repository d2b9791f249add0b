"""Turns on a machine that several people measure on."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Whoever waits to be alone needs a moment in which nobody shares it.
LET_IN_S = 0.2


@contextmanager
def quiet(*, alone: bool = True) -> Iterator[None]:
    """Hold the lock on the file that QUIET names, if it names one: alone to measure, shared for what only keeps cores busy.

    `flock FILE` and `flock -s FILE` around other commands take turns with it. A script whose preparation takes long locks
    step by step, and lets others in between.
    """
    if not (path := os.environ.get("QUIET")):
        yield
        return
    with Path(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    if not alone:
        time.sleep(LET_IN_S)
