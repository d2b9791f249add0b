"""Starting and stopping the server.

Learned the hard way:
- the signal at the parent's death is tied to the *thread* that forked, so only the main thread may start the server;
- a pid file is removed only when its process is a zombie or no PostgreSQL of this folder; when it is simply gone,
  PostgreSQL looks itself, and more closely (shared memory of a backend that has outlived it);
- the server has a session of its own: Ctrl-C at the terminal is for Guilder, which stops the server last.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from guilder.platform.db.embedded.account import Account, account_for
from guilder.platform.db.embedded.binaries import Binaries, find
from guilder.platform.db.embedded.cluster import Cluster, Endpoints
from guilder.platform.db.embedded.errors import EmbeddedError
from guilder.platform.db.embedded.process import die_with_parent, is_server_of

READY_TIMEOUT_S = 600  # recovery after a crash reads up to max_wal_size
RESTORED_TIMEOUT_S = 86_400  # days of archived log may have to be replayed
STOP_TIMEOUT_S = 30
LAUNCHES_MAX = 40
LOG_BYTES_MAX = 10_000_000
# For a data folder that the account cannot enter, such as one under /root: parents are nobody's to open up.
ELSEWHERE = Path("/var/lib/guilder")


def _silent(_: str) -> None:
    pass


class EmbeddedPostgres:
    """One PostgreSQL server on a folder, as a child of this process. Blocking; used from the main thread.

    `durable=False` gives up safety for speed, for tests. `progress` hears a sentence now and then while it starts.
    `is_restoring`: the data are a backup's, which may take long to recover, and whose superuser has another password.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        is_restoring: bool = False,
        progress: Callable[[str], None] = _silent,
    ) -> None:
        self.folder = folder.absolute()
        self._durable = durable
        self._is_restoring = is_restoring
        self._progress = progress
        self._cluster: Cluster | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None
        self._port = 0
        self._lock: int | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        return (self._cluster.folder if self._cluster else self.folder) / "server.log"

    def start(self) -> Endpoints:
        """Start the server, making the database first if there is none; return where it answers. Idempotent.

        :raises EmbeddedError: it cannot run; one sentence says why
        """
        assert threading.current_thread() is threading.main_thread(), "the server would die with this thread"
        if not self.is_running:
            try:
                self._start()
            except OSError as error:
                self.stop()
                raise EmbeddedError(
                    f"Guilder cannot write to {error.filename or self.folder} ({error.strerror}); give the folder to "
                    "the user that starts Guilder, or choose another data folder."
                ) from error
            except BaseException:
                self.stop()
                raise
        assert self._cluster is not None
        return self._cluster.endpoints(self._port)

    def stop(self) -> None:
        """Shut down at once but cleanly: open transactions are rolled back, what was committed stays."""
        if self._process is not None:
            for way in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if self._process.poll() is not None:
                    break
                self._process.send_signal(way)
                try:
                    self._process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    continue
            self._process = None
        if self._sockets is not None and self._sockets.parent != self.folder:
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def claim(self) -> Cluster:
        """Hold the folder, without starting anything, and return its files; `stop` lets it go.

        :raises EmbeddedError: another Guilder holds it
        """
        self._claim()
        account = account_for(self.folder / "data")
        self._cluster = Cluster(self._place(account), account)
        return self._cluster

    def admin_url(self, database: str = "postgres") -> str:
        """The superuser's address, by the unix socket only: for backups and tests, never for the product."""
        assert self._cluster is not None, "not started"
        assert self._sockets is not None, "not started"
        return self._cluster.admin_url(self._port, self._sockets, database=database)

    def _start(self) -> None:
        cluster = self.claim()
        binaries = find(cluster.account, data=cluster.data, copies=cluster.folder / "binaries")
        cluster.passwords()
        if not cluster.data.exists():
            self._progress(f"Making a database in {cluster.folder} (PostgreSQL {binaries.version})")
            cluster.initialise(binaries, durable=self._durable)
        self._end_orphan(cluster)
        self._sockets = self._sockets or cluster.sockets()
        self._launch(cluster, binaries)
        if self._is_restoring:
            cluster.reset_password(binaries, port=self._port, sockets=self._sockets)
        cluster.create_roles(binaries, port=self._port, sockets=self._sockets)

    def _claim(self) -> None:
        """Hold the folder for as long as this process lives; the lock goes with it, even by kill -9."""
        if self._lock is not None:
            return
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(lock, 20, 0).decode() or "unknown"
            os.close(lock)
            raise EmbeddedError(
                f"The data folder {self.folder} is in use by another Guilder (process {holder}); "
                "stop that one, or choose another data folder."
            ) from error
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock

    def _place(self, account: Account) -> Path:
        if not account.is_other:
            return self.folder
        self.folder.chmod(self.folder.stat().st_mode | 0o111)  # ours, and only this one
        if account.may_enter(self.folder):
            return self.folder
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        place = ELSEWHERE / name
        if not place.exists():
            self._progress(f"User {account.name} cannot enter {self.folder}; the database is kept in {place}")
        place.mkdir(mode=0o711, parents=True, exist_ok=True)
        (self.folder / "kept-in").write_text(f"{place}\n")
        return place

    def _end_orphan(self, cluster: Cluster) -> None:
        """See to a server that was left behind. We hold the folder's lock, so no living Guilder owns it."""
        path = cluster.data / "postmaster.pid"
        try:
            pid = int(path.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        for way in (None, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if way is not None and is_server_of(pid, cluster.data):
                os.kill(pid, way)
            # Its parent's death has told it to stop already, so at first it is only waited for.
            if _within(5 if way is None else STOP_TIMEOUT_S, lambda: not is_server_of(pid, cluster.data)):
                break
        if Path(f"/proc/{pid}").exists():
            path.unlink(missing_ok=True)

    def _launch(self, cluster: Cluster, binaries: Binaries) -> None:
        assert self._sockets is not None
        ports = cluster.ports()
        port = next(ports)
        said = ""
        for _ in range(LAUNCHES_MAX):
            cluster.configure(port=port, sockets=self._sockets, durable=self._durable, is_restoring=self._is_restoring)
            self._process = _run(cluster, binaries)
            if self._wait_until_ready(cluster):
                self._port = port
                return
            said = _last_words(cluster.log)
            if "could not create any TCP/IP sockets" in said:
                port = next(ports)  # taken since we looked
            elif "still in use" in said or "already exists" in said:
                time.sleep(0.25)  # a backend of the server before is on its way out
            else:
                break
        reason = next((line for line in reversed(said.splitlines()) if "FATAL" in line or "PANIC" in line), said)
        raise EmbeddedError(f"PostgreSQL did not start: {reason.strip()} (its log is {cluster.log})")

    def _wait_until_ready(self, cluster: Cluster) -> bool:
        """Wait for the last line of the pid file to say so. Return False if the server ended instead."""
        assert self._process is not None
        began = said = time.monotonic()
        while self._process.poll() is None:
            if _is_ready(cluster.data / "postmaster.pid", self._process.pid):
                return True
            limit_s = RESTORED_TIMEOUT_S if self._is_restoring else READY_TIMEOUT_S
            if time.monotonic() - began > limit_s:
                raise EmbeddedError(f"PostgreSQL is not ready after {limit_s} seconds; its log is {cluster.log}.")
            if time.monotonic() - said > 5:
                said = time.monotonic()
                self._progress(f"PostgreSQL is recovering ({said - began:.0f} s)")
            time.sleep(0.01)
        return False


def _run(cluster: Cluster, binaries: Binaries) -> "subprocess.Popen[bytes]":
    if cluster.log.exists() and cluster.log.stat().st_size > LOG_BYTES_MAX:
        cluster.log.replace(cluster.log.with_suffix(".log.old"))
    log = os.open(cluster.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [binaries.program("postgres"), "-D", str(cluster.data), "-c", f"config_file={cluster.settings}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  (the main thread only, and nothing but two calls)
            **cluster.account.popen(),
        )
    finally:
        os.close(log)


def _is_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except (FileNotFoundError, PermissionError):
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-8:])


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
