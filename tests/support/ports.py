"""Ports that are nobody else's: of no connection that the system makes, of no other test, of no other run.

A port that is merely free when it is chosen may be another's before a server listens on it, or while that server is down
to be started again. So each process claims a hundred at a time, by a lock that goes with the process, and gives out each
of them once.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Below those that the system gives to outgoing connections, and that embedded servers choose from.
BLOCKS = range(10_000, 20_000, 100)
_FOLDER = Path(tempfile.gettempdir()) / f"guilder-ports-{os.getuid()}"


def free_port() -> int:
    return next(_ports)


def _of_this_process() -> Iterator[int]:
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    for block in BLOCKS:
        claim = os.open(_FOLDER / str(block), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(claim)
            continue
        yield from filter(_is_free, range(block, block + BLOCKS.step))
    raise AssertionError("every port for tests is claimed: too many runs at once?")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("0.0.0.0", port))
        return True
    return False


_ports = _of_this_process()
