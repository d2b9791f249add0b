"""What a storm goes over: an installation whose every part can be killed, frozen and started again by its name.

Two forms: everything spread out (tests/support/spread.py), and the fewest processes on a PostgreSQL of their own.
"""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from guilder.platform.db.embedded import EmbeddedPostgres
from guilder.platform.db.migrate import migrate
from tests.chaos.plan import DATABASE
from tests.support.database import DatabaseUrls, TestCluster, connected
from tests.support.processes import Installation, installed
from tests.support.spread import spread_out

FORMS = ("embedded", "spread")
STOP_S = 30


class Stage(Protocol):
    """The parts by their names. All verbs block, and are for the main thread: servers die with the thread that starts them."""

    @property
    def installation(self) -> Installation: ...

    @property
    def names(self) -> list[str]: ...

    def kill(self, name: str) -> None: ...
    def stop(self, name: str) -> None: ...
    def freeze(self, name: str) -> None: ...
    def thaw(self, name: str) -> None: ...
    def start(self, name: str) -> None: ...
    def is_running(self, name: str) -> bool: ...
    def said(self, name: str) -> str: ...
    def flush(self, name: str) -> None: ...
    def reload(self, name: str) -> None: ...
    async def is_ready(self, name: str) -> bool: ...


@dataclass(slots=True)
class Together:
    """One API, workers, schedulers and the provider, on an embedded server."""

    installation: Installation
    server: EmbeddedPostgres
    _port: int = 0
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._port = self.server.start().port
        self.names = [*self.installation.processes, DATABASE]

    def kill(self, name: str) -> None:
        if name != DATABASE:
            self.installation.kill(name)
            return
        # What `pg_ctl stop -m immediate` does: no checkpoint, and the next start recovers from the log.
        self._signal(signal.SIGQUIT)
        ends = time.monotonic() + STOP_S
        while self.server.is_running:
            assert time.monotonic() < ends, "PostgreSQL does not stop"
            time.sleep(0.02)

    def stop(self, name: str) -> None:
        assert name != DATABASE, "it is killed"
        self.installation.stop(name)

    def freeze(self, name: str) -> None:
        if name == DATABASE:
            self._signal(signal.SIGSTOP)
        else:
            self.installation.freeze(name)

    def thaw(self, name: str) -> None:
        if name == DATABASE:
            self._signal(signal.SIGCONT)
        else:
            self.installation.thaw(name)

    def start(self, name: str) -> None:
        if name != DATABASE:
            self.installation.start(name)
            return
        assert self.server.start().port == self._port, "PostgreSQL came back on another port"

    def _signal(self, number: int) -> None:
        """Signal the server: to end, its first process alone, which sees to the others; else all of them."""
        pid = self.server.pid
        assert pid is not None
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if number != signal.SIGQUIT else []
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(each, number)

    def is_running(self, name: str) -> bool:
        return self.server.is_running if name == DATABASE else self.installation.is_running(name)

    def said(self, name: str) -> str:
        return self.server.log.read_text()[-6000:] if name == DATABASE else self.installation.parts[name].said()

    def flush(self, name: str) -> None:
        raise AssertionError(f"there is no {name} here")

    reload = flush

    async def is_ready(self, name: str) -> bool:
        if name == DATABASE:
            return await database_answers(self.installation.urls)
        url = {"api": f"{self.installation.base_url}/ready", "provider": f"{self.installation.provider_url}/health"}
        return await answers(url[name]) if name in url else self.is_running(name)


@dataclass(slots=True)
class Spread:
    """Two of each role or more, PostgreSQL with a replica, Redis, Kafka, nginx."""

    installation: Any  # of tests.support.spread
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = list(self.installation.names)

    def kill(self, name: str) -> None:
        self.installation.kill(name)

    def stop(self, name: str) -> None:
        self.installation.stop(name)

    def freeze(self, name: str) -> None:
        self.installation.freeze(name)

    def thaw(self, name: str) -> None:
        self.installation.thaw(name)

    def start(self, name: str) -> None:
        self.installation.start(name)

    def is_running(self, name: str) -> bool:
        return bool(self.installation.is_running(name))

    def said(self, name: str) -> str:
        return str(self.installation.parts[name].said())

    def flush(self, name: str) -> None:
        with self.installation.redis.admin as admin:
            admin.flushall()

    def reload(self, name: str) -> None:
        self.installation.reload_nginx()

    async def is_ready(self, name: str) -> bool:
        if name == DATABASE:
            return await database_answers(self.installation.urls)
        if name == "provider":
            return await answers(f"{self.installation.provider_url}/health")
        if name == "nginx":  # which tells nobody outside who is ready
            return await answers(f"{self.installation.base_url}/health")
        if name == "kafka":
            return await asyncio.to_thread(broker_answers, self.installation.kafka.servers)
        if name in self.installation.nodes:
            return await answers(f"{self.installation.nodes[name]}/ready")
        return self.is_running(name)


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=5, verify=False) as http:
        try:
            return (await http.get(url)).is_success
        except httpx.HTTPError:
            return False


def broker_answers(servers: str) -> bool:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=3).brokers)
    except KafkaException:
        return False


async def database_answers(urls: DatabaseUrls) -> bool:
    try:
        async with connected(urls.admin) as admin:
            return bool(await admin.fetchval("select true"))
    except Exception:
        return False


@asynccontextmanager
async def a_stage(form: str, folder: Path, cluster: DatabaseUrls | None = None) -> AsyncIterator[Stage]:
    """Put up an installation of this form, its logs in `folder`. The spread form copies `cluster`, or a server of its own."""
    assert form in FORMS, form
    if form == "embedded":
        async with _together(folder) as together:
            yield together
        return
    with _some_cluster(cluster) as found:
        async with spread_out(found, folder) as installation:
            yield Spread(installation)


@asynccontextmanager
async def _together(folder: Path) -> AsyncIterator[Together]:
    # The server runs as somebody else than root, who has to get into its folder.
    with tempfile.TemporaryDirectory(prefix="guilder-chaos-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(Path(name) / "postgres", durable=False)
        try:
            found = server.start()
            urls = DatabaseUrls(
                "guilder", found.owner_url, found.app_url, found.doctor_url, server.admin_url("guilder")
            )
            await _keep_what_was_committed(urls)
            await migrate(urls.owner, report=lambda _: None)
            with installed(urls, folder, workers=1, schedulers=2) as installation:
                yield Together(installation, server)
        finally:
            server.stop()


async def _keep_what_was_committed(urls: DatabaseUrls) -> None:
    """Let the server lose nothing when it crashes: the machine stays, so what it has written is there without fsync.

    And let it count and clean up as often as the product's own does.
    """
    async with connected(urls.admin) as admin:
        await admin.execute("alter system set synchronous_commit = 'on'")
        await admin.execute("alter system set full_page_writes = 'on'")
        await admin.execute("alter system set autovacuum_naptime = '15s'")
        await admin.execute("select pg_reload_conf()")


@contextmanager
def _some_cluster(cluster: DatabaseUrls | None) -> Iterator[DatabaseUrls]:
    if cluster is not None:
        yield cluster
        return
    own = TestCluster()
    try:
        yield own.start()
    finally:
        own.stop()
