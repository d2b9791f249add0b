"""Real Redis servers of a test's own: one, a master and its replica watched by sentinels, a cluster of three."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.support.ports import free_port

START_TIMEOUT_S = 30
MASTER = "guilder"


@dataclass
class Server:
    """One process. It keeps nothing on disk: started again, it is empty."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    password: str | None = None
    is_sentinel: bool = False
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def admin(self) -> Redis:
        return Redis(port=self.port, password=self.password, socket_timeout=30)

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "mark the test needs_redis"
        log = self.folder / f"{self.port}.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen([program, *self._arguments()], stdout=out, stderr=out, cwd=self.folder)
        until = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    kill = stop

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        return (self.folder / f"{self.port}.log").read_text(errors="replace")[-6000:]

    def freeze(self) -> None:
        """Swallow whatever comes: connections stay open, and nothing is ever said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _arguments(self) -> list[str]:
        if self.is_sentinel:
            return [str(self.folder / "sentinel.conf"), "--sentinel"]
        plain = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        return [*plain, *(("--requirepass", self.password) if self.password else ()), *self.options]

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError, OSError), self.admin as admin:
            return bool(admin.ping())
        return False


@contextmanager
def a_redis(*options: str, password: str | None = None) -> Iterator[Server]:
    """Start one server, and stop it for sure."""
    with _folder() as folder, _running(Server(folder, free_port(), options, password)) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Watched:
    """A master, and a replica if there is one, watched by a sentinel."""

    master: Server
    sentinel: Server
    replica: Server | None = None

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{MASTER}"


@contextmanager
def a_sentinel(*, has_replica: bool = False) -> Iterator[Watched]:
    """Start what takes over when its master dies, if it has a replica; that takes a sentinel ten seconds to know."""
    with _folder() as folder, contextlib.ExitStack() as stack:
        master, replica = stack.enter_context(_running(Server(folder, free_port()))), None
        if has_replica:
            options = ("--replicaof", f"127.0.0.1 {master.port}")
            replica = stack.enter_context(_running(Server(folder, free_port(), options)))
            _await(lambda: master.admin.info("replication")["connected_slaves"] == 1)
        sentinel = Server(folder, free_port(), is_sentinel=True)
        (folder / "sentinel.conf").write_text(
            f"port {sentinel.port}\nbind 127.0.0.1\nsentinel monitor {MASTER} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 5000\n"
        )
        stack.enter_context(_running(sentinel))
        if has_replica:
            _await(lambda: dict(sentinel.admin.sentinel_master(MASTER))["num-slaves"] == 1)  # type: ignore[arg-type]
        yield Watched(master, sentinel, replica)


@contextmanager
def a_cluster() -> Iterator[list[Server]]:
    """Start three masters that share the slots."""
    with _folder() as folder, contextlib.ExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        servers = []
        for port in ports:
            options = (
                *("--cluster-enabled", "yes", "--cluster-config-file", f"{port}.conf"),
                *("--cluster-port", str(free_port())),
            )
            servers.append(stack.enter_context(_running(Server(folder, port, options))))
        cli = shutil.which("redis-cli")
        assert cli, "redis-cli comes with redis-server"
        hosts = [f"127.0.0.1:{port}" for port in ports]
        made = [cli, "--cluster", "create", *hosts, "--cluster-yes", "--cluster-replicas", "0"]
        subprocess.run(made, check=True, capture_output=True, timeout=START_TIMEOUT_S)
        for server in servers:
            _await(lambda server=server: server.admin.cluster("INFO")["cluster_state"] == "ok")  # type: ignore[misc]
        yield servers


@asynccontextmanager
async def swallowing() -> AsyncIterator[int]:
    """Listen on a port where everything is taken and nothing is answered: a peer that is half gone."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(has_happened: Callable[[], bool | Awaitable[bool]], timeout_s: float = 90) -> None:
    """Wait for an effect; as long as a busy machine may take."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = has_happened()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="guilder-redis-") as folder:
        yield Path(folder)


def _await(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(RedisError, OSError, KeyError):
            if is_so():
                return
        assert time.monotonic() < limit, "Redis has not come to what it was told"
        time.sleep(0.05)
