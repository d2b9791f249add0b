"""A real streaming replica of a server of the tests, a copy of it (pg_basebackup) that follows its log; and promotes.

`a_replica(urls)` follows the server of those addresses, which may be the one that all tests share. `a_primary(urls)` is a
copy of it that follows nobody: a server of a test's own, to be followed by others, and killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import asyncpg

from guilder.platform.db.embedded.account import Account, account_for
from guilder.platform.db.embedded.process import die_with_parent
from tests.support.database import DatabaseUrls, connected
from tests.support.ports import free_port
from tests.support.processes import until

START_TIMEOUT_S = 60


@dataclass(slots=True)
class Replica:
    """A standby, at its own addresses; the roles and passwords are the primary's."""

    urls: DatabaseUrls
    primary: DatabaseUrls
    folder: Path
    account: Account
    programs: Path
    slot: str
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, from the main thread."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(str(self.programs / "postgres"), "-D", str(self.folder / "data")),
                    *("-c", f"config_file={self.folder / 'postgresql.conf'}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  (the main thread only, and nothing but two calls)
                **self.account.popen(),
            )
        ends = time.monotonic() + START_TIMEOUT_S
        while not _answers(self.urls):
            assert self.process.poll() is None, (self.folder / "server.log").read_text()[-3000:]
            assert time.monotonic() < ends, "the replica does not answer"
            time.sleep(0.05)

    async def is_up(self) -> bool:
        try:
            async with connected(self.urls.admin) as admin:
                return bool(await admin.fetchval("select true"))
        except (asyncpg.CannotConnectNowError, OSError):
            return False

    def kill(self) -> None:
        """End it as a machine that loses its power would: at once, with whatever was under way."""
        assert self.process is not None
        children = self._children()
        self._signal(signal.SIGKILL)
        self.process.wait(20)
        # Its children go with it within a moment; while one is there, nobody may be started on its data.
        while _answers(self.urls) or any(map(_lives, children)):
            time.sleep(0.02)

    def freeze(self) -> None:
        """Stop it where it stands: connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        for each in (self.process.pid, *self._children()):
            with suppress(ProcessLookupError):
                os.kill(each, number)

    def _children(self) -> list[int]:
        assert self.process is not None
        with suppress(FileNotFoundError):
            return [
                int(each)
                for each in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        return []

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-6000:]

    def stop(self) -> None:
        if self.process is None:
            return
        for way in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is None:
                self._signal(signal.SIGCONT)
                self.process.send_signal(way)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
                break
        self.process = None

    async def stand_still(self) -> None:
        """Receive and do not replay: it falls behind."""
        async with connected(self.urls.admin) as admin:
            await admin.execute("select pg_wal_replay_pause()")

    async def go_on(self) -> None:
        async with connected(self.urls.admin) as admin:
            await admin.execute("select pg_wal_replay_resume()")

    async def caught_up(self) -> None:
        """Wait until it has replayed what the primary has written by now."""
        async with connected(self.primary.admin) as admin:
            target = await admin.fetchval("select pg_current_wal_lsn()::text")

        async def is_there() -> bool:
            async with connected(self.urls.admin) as admin:
                return bool(await admin.fetchval("select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", target))

        await until(is_there, what="the replica's catching up")

    async def promote(self) -> None:
        """Make it a primary, and wait until it takes writes."""
        async with connected(self.urls.admin) as admin:
            assert await admin.fetchval("select pg_promote(true, 60)")


@asynccontextmanager
async def a_replica(urls: DatabaseUrls, *, synchronous: bool = False) -> AsyncIterator[Replica]:
    """Copy the server of these addresses, and follow it until the block ends. A synchronous one is waited for by commits."""
    folder = Path(tempfile.mkdtemp(prefix="guilder-replica-"))
    folder.chmod(0o711)
    replica = None
    try:
        replica = await _copied(urls, folder)
        replica.start()
        await until(replica.is_up, timeout_s=60, what="the replica's first consistent state")
        if synchronous:
            await _be_waited_for(urls)
        yield replica
    finally:
        if replica is not None:
            replica.stop()
            await _let_go(urls, replica.slot)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def a_primary(like: DatabaseUrls) -> AsyncIterator[Replica]:
    """Start a server that only this test has, to be killed: a copy of the one of these addresses, on its own from then on."""
    async with a_replica(like) as copy:
        await copy.promote()
        # Who was followed would else keep its log for a follower that never comes back.
        await _let_go(like, copy.slot)
        yield copy


def several(*urls: str) -> str:
    """Return one address of several hosts, as DATABASE_URL may name them."""
    places = [urlsplit(url).netloc.rpartition("@") for url in urls]
    assert len({who for who, _, _ in places}) == 1, "one password for all"
    return urlsplit(urls[0])._replace(netloc=f"{places[0][0]}@{','.join(host for _, _, host in places)}").geturl()


async def _copied(primary: DatabaseUrls, folder: Path) -> Replica:
    account = account_for(folder / "data")
    account.give(folder)
    programs = await _programs(primary)
    admin = urlsplit(primary.admin)
    where = parse_qs(admin.query)
    slot = f"replica_{uuid4().hex[:8]}"
    environment = {
        **account.popen()["env"],
        "PGHOST": where["host"][0],
        "PGPORT": where["port"][0],
        "PGUSER": admin.username or "postgres",
        "PGPASSWORD": admin.password or "",
    }
    command = [str(programs / "pg_basebackup"), "-D", str(folder / "data"), "--checkpoint=fast", "-X", "stream"]
    command += [
        "--write-recovery-conf",
        "--no-manifest",
        "--no-verify-checksums",
        "--create-slot",
        f"--slot={slot}",
        "--no-sync",
    ]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, **(account.popen() | {"env": environment})
    )
    assert done.returncode == 0, done.stderr
    port = free_port()
    _configure(folder, account, port=port, like=await _settings(primary))
    urls = _at(primary, folder, port)
    return Replica(urls, primary, folder, account, programs, slot, port)


async def _programs(primary: DatabaseUrls) -> Path:
    """Return where the primary's own programs are: whoever runs it may run them."""
    async with connected(primary.admin) as admin:
        return Path(await admin.fetchval("select setting from pg_config where name = 'BINDIR'"))


async def _settings(primary: DatabaseUrls) -> dict[str, str]:
    # A standby must hold as many connections, workers and locks as its primary.
    names = ["max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions"]
    async with connected(primary.admin) as admin:
        rows = await admin.fetch(
            "select name, setting from pg_settings where name = any($1)", [*names, "max_locks_per_transaction"]
        )
    return {row["name"]: row["setting"] for row in rows}


def _configure(folder: Path, account: Account, *, port: int, like: dict[str, str]) -> None:
    own = {
        **like,
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "hba_file": str(folder / "pg_hba.conf"),
        "shared_buffers": "64MB",
        "fsync": "off",
        "autovacuum_naptime": "15s",  # as the product's own has it: a promoted one has nobody's counts to plan by
        "jit": "off",
        "timezone": "UTC",
        "max_standby_streaming_delay": "1s",
        "wal_receiver_status_interval": "1s",
        "wal_retrieve_retry_interval": "200ms",
        "cluster_name": "replica",
    }
    (folder / "postgresql.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in own.items()))
    (folder / "pg_hba.conf").write_text(
        "local all all scram-sha-256\nlocal replication all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    for name in ("postgresql.conf", "pg_hba.conf"):
        account.give(folder / name)


def _at(primary: DatabaseUrls, folder: Path, port: int) -> DatabaseUrls:
    def moved(url: str) -> str:
        parts = urlsplit(url)
        if parts.query:  # by the socket
            return parts._replace(query=f"host={quote(str(folder), safe='')}&port={port}").geturl()
        who, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{who}@127.0.0.1:{port}").geturl()

    return DatabaseUrls(
        primary.name, *(moved(url) for url in (primary.owner, primary.app, primary.doctor, primary.admin))
    )


async def _be_waited_for(primary: DatabaseUrls) -> None:
    async with connected(primary.admin) as admin:
        await admin.execute("alter system set synchronous_standby_names = '*'")
        await admin.execute("alter system set synchronous_commit = 'on'")
        await admin.execute("select pg_reload_conf()")

        async def is_synchronous() -> bool:
            return bool(await admin.fetchval("select bool_or(sync_state = 'sync') from pg_stat_replication"))

        await until(is_synchronous, what="the synchronous standby")


async def _let_go(primary: DatabaseUrls, slot: str) -> None:
    """Let the primary keep no log for a replica that is gone; a primary that is gone keeps none."""
    with suppress(OSError):
        async with connected(primary.admin) as admin:

            async def is_free() -> bool:
                return not await admin.fetchval("select active from pg_replication_slots where slot_name = $1", slot)

            await until(is_free, what="the end of replication")
            await admin.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", slot
            )


def _lives(pid: int) -> bool:
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return name.endswith("(postgres") and rest.split()[0] not in {"Z", "X"}


def _answers(urls: DatabaseUrls) -> bool:
    parts = urlsplit(urls.app)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0
