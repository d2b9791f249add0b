"""PostgreSQL's share of a worker's work stands back as far as the worker does, where its server is on the same machine.

A batch keeps the server's process as busy as ours, and an API beside it waits for both. Of a server on another machine,
behind a pooler, or of a user whom we may not tell, nothing is changed.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from guilder.platform.db.tls import hosts, is_local

_PROCESSES = Path("/proc")


def stand_back_with_us(connection: Any, *, url: str) -> None:
    """Make the server's process of this connection as nice as this one is; it stays so until the connection ends."""
    niceness = os.nice(0)
    if niceness <= 0 or not all(is_local(host) for host in hosts(url)):
        return
    server = connection.get_server_pid()
    try:
        if _serves(server, url=url) and os.getpriority(os.PRIO_PROCESS, server) < niceness:
            os.setpriority(os.PRIO_PROCESS, server, niceness)
    except OSError:
        return  # it may not be told, it has ended, or there is no such list of processes here


def _serves(server: int, *, url: str) -> bool:
    """Say whether this is the process of a PostgreSQL that serves this address: its title names who is served what.

    What a pooler says, or a server in a container, is a number that may be anybody's here.
    """
    parts = urlsplit(url)
    title = (_PROCESSES / str(server) / "cmdline").read_bytes().decode(errors="replace")
    return title.startswith("postgres: ") and f" {parts.username} {parts.path.lstrip('/')} " in title
