"""What every test may ask for: a real PostgreSQL, a browser, a picture of a PDF."""

import gc
import io
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path

import hypothesis
import pytest

from guilder.platform import logging
from tests.support import authorities, kafka
from tests.support.database import Cleaner, DatabaseUrls, TestCluster, new_database, running_cluster
from tests.support.ground import standing
from tests.support.redis import Server as RedisServer
from tests.support.redis import a_redis


class _Stderr(io.TextIOBase):
    """Wherever stderr is now: pytest puts another file there for each test, and closes it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


# What Hypothesis thinks of is the same in each ordinary run, and found anew in each full one: whoever changes a comma
# need not find out about a case that nobody has thought of in years. How long an example takes is the machine's affair.
hypothesis.settings.register_profile(
    "guilder",
    derandomize=os.environ.get("TESTS_FULL") != "1",
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("guilder")
authorities.read_in_once()

_cluster = pytest.StashKey[TestCluster]()
_FIRST = ("chaos", "scenarios", "deploy", "security", "simulation", "contracts", "simulated_provider", "rooms", "http")
# Servers and tools of scripts/system-packages.sh, by the mark of the tests that start them.
_PROGRAMS = {
    "needs_nginx": "nginx",
    "needs_redis": "redis-server",
    "needs_pgbouncer": "pgbouncer",
    "needs_promtool": "promtool",
}
# Debian keeps servers where only root's PATH looks.
_SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def pytest_sessionstart(session: pytest.Session) -> None:
    # As every process does: unconfigured, each logged exception is drawn with all its frames, for seconds.
    logging.configure(level="WARNING", stream=_Stderr())
    # Under xdist the server belongs to the process that outlives all workers; they find it in the environment.
    # Without it the first test that asks starts it, so that a run of pure rules needs none.
    if session.config.getoption("numprocesses", default=None) and not hasattr(session.config, "workerinput"):
        _started(session.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if (cluster := config.stash.get(_cluster, None)) is not None:
        cluster.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What starts processes and waits for them goes first: begun last, one worker would end long after the other.
    items.sort(
        key=lambda item: next((place for place, each in enumerate(_FIRST) if each in item.path.parts), len(_FIRST))
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    # Thousands of tests and all that they import are here to stay: the collector need not look at them again and again.
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_chromium"):
        _need("Chromium", chromium())
    if item.get_closest_marker("needs_poppler"):
        _need("pdftoppm (poppler-utils)", shutil.which("pdftoppm"))
    if item.get_closest_marker("needs_kafka"):
        _need(kafka.missing() or "Kafka", "found" if kafka.missing() is None else None)
    for mark, program in _PROGRAMS.items():
        if item.get_closest_marker(mark):
            _need(program, shutil.which(program, path=_SEARCHED))


def chromium() -> str | None:
    return next((path for name in _CHROMIUM if (path := shutil.which(name))), None)


def _need(what: str, found: str | None) -> None:
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI runs every test: `make system` installs it")
    pytest.skip(f"{what} is missing; `make system` installs it")


def _started(config: pytest.Config) -> DatabaseUrls:
    cluster = config.stash[_cluster] = TestCluster()
    return cluster.start()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without a `.env`: one of the developer's own says nothing here."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> DatabaseUrls:
    """The server of this test run, by the addresses of its own (empty) database."""
    return running_cluster() or _started(pytestconfig)


@pytest.fixture(scope="session")
async def _own(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[tuple[DatabaseUrls, Cleaner]]:
    """This worker's migrated database, and who empties it: learned before any test has written there."""
    async with new_database(cluster, f"guilder_{worker_id}") as urls, standing(urls):
        cleaner = Cleaner(urls)
        await cleaner.learn()
        yield urls, cleaner
        await cleaner.close()


@pytest.fixture(scope="session")
def database_urls(_own: tuple[DatabaseUrls, Cleaner]) -> DatabaseUrls:
    """This worker's migrated database. Tests share it one after another: also ask for `clean`."""
    return _own[0]


@pytest.fixture(scope="session")
def cleaner(_own: tuple[DatabaseUrls, Cleaner]) -> Cleaner:
    return _own[1]


@pytest.fixture
async def clean(cleaner: Cleaner) -> None:
    """Empty this worker's database before the test: what a failed test left stays to be looked at until the next."""
    await cleaner.clean()


@pytest.fixture
def a_database(cluster: DatabaseUrls, worker_id: str) -> Callable[..., AbstractAsyncContextManager[DatabaseUrls]]:
    """Make databases of a test's own: `async with a_database() as urls`, or `a_database(migrated=False)`."""

    def make(*, migrated: bool = True) -> AbstractAsyncContextManager[DatabaseUrls]:
        return new_database(cluster, f"guilder_{worker_id}_{next(_numbers)}", migrated=migrated)

    return make


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[kafka.Broker]:
    """A broker that this worker's tests share, for those marked `needs_kafka`: each has topics of its own prefix."""
    with kafka.broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """This worker's Redis, for tests marked `needs_redis`; they ask for `redis`, or start one of their own to hurt it."""
    with a_redis() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """Return this worker's Redis, empty."""
    with redis_server.admin as admin:
        admin.flushall()
    return redis_server


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser's program, for tests marked `needs_chromium`."""
    found = chromium()
    assert found, "mark the test needs_chromium"
    return found


_numbers = count(1)
