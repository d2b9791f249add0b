"""What the system says about a process, and how a child is tied to its parent's life."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec nothing may be imported.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int) -> Callable[[], None]:
    """Return what a child runs before exec: when the parent's main thread ends, however it ends, it is told to stop.

    SIGINT is PostgreSQL's fast shutdown. The setting would be lost by a change of user, so it comes after that.
    """

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died before we were tied to it
            os._exit(1)

    return tie


def is_server_of(pid: int, data: Path) -> bool:
    """Return whether a live process is the PostgreSQL of this folder.

    False for a process that is gone, for a zombie (which answers signals but holds nothing), and for a stranger
    that has been given the same number since.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    proc = Path("/proc") / str(pid)
    try:
        state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
        words = (proc / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    if state in {"Z", "X"}:
        return False
    return os.fsencode(data) in words and b"postgres" in words[0]
