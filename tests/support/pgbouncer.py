"""A real PgBouncer in front of a server of the tests, sharing few servers by the transaction."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from guilder.platform.db.embedded.account import account_for
from guilder.platform.db.embedded.process import die_with_parent
from tests.support.ports import free_port

SERVERS = 3
START_TIMEOUT_S = 30


@contextlib.contextmanager
def a_pooler(url: str, *, servers: int = SERVERS) -> Iterator[str]:
    """Put a pooler before this address of a role; yield the address through it. At most `servers` connections lie behind."""
    parts = urlsplit(url)
    folder = Path(tempfile.mkdtemp(prefix="guilder-pgbouncer-"))
    port = free_port()
    account = account_for(folder / "none")
    (folder / "users.txt").write_text(f'"{parts.username}" "{unquote(parts.password or "")}"\n')
    (folder / "pgbouncer.ini").write_text(f"""[databases]
* = host={parts.hostname} port={parts.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
""")
    for path in (folder, *folder.iterdir()):
        account.give(path)
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found is not None, "mark the test needs_pgbouncer"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [found, str(folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  (the main thread only, and nothing but two calls)
            **account.popen(),
        )
    try:
        _wait(port, process, folder / "log")
        yield parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"pgbouncer does not answer: {log.read_text()}")
