"""The release before and this one side by side: tables are changed and processes rolled under traffic, and nobody notices."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.database import DatabaseUrls
from tests.support.doctor import assert_healthy
from tests.support.ports import free_port
from tests.support.processes import Installation, Process, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
# The release before this one: the last tag, or until there is one, the last commit before the newest tables.
BEFORE = "822c349"


def release_before() -> str:
    said = subprocess.run(["git", "tag", "--list", "v*", "--sort=-v:refname"], cwd=ROOT, capture_output=True, text=True)
    return (said.stdout.split() or [BEFORE])[0]


@pytest.fixture(scope="module")
def old_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the release before."""
    folder = tmp_path_factory.mktemp("before")
    packed = subprocess.run(["git", "archive", release_before(), "src"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the history of this checkout does not reach back to {release_before()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


@dataclass
class Fleet:
    """Processes of two releases on one database, and the addresses that whoever stands in front sends requests to."""

    installation: Installation
    old: Path
    serving: dict[str, str] = field(default_factory=dict)

    def guilder(self, *words: str, old: bool) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "guilder", *words],
            env=self._environment(old=old),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def add(self, name: str, *words: str, old: bool, **more: str) -> Process:
        command = [sys.executable, "-m", *words]
        process = Process(name, command, self._environment(old=old) | more, self.installation.folder / f"{name}.log")
        self.installation.processes[name] = process
        process.start()
        return process

    def serve(self, name: str, *, old: bool) -> None:
        port = str(free_port())
        self.add(name, "guilder", "serve", old=old, PORT=port)
        address = f"http://127.0.0.1:{port}"
        self.installation.until_answering(f"{address}/ready", name)
        self.serving[name] = address

    async def retire(self, name: str) -> None:
        """Send it nothing more, let it finish what it has, and see it end well."""
        self.serving.pop(name, None)
        process = self.installation.processes[name]
        assert process.running is not None
        await asyncio.sleep(0.5)
        process.kill(signal.SIGTERM)
        assert await asyncio.to_thread(process.running.wait, 40) == 0, process.said()

    def _environment(self, *, old: bool) -> dict[str, str]:
        paths = str(self.old) if old else str(ROOT / "src")
        return self.installation.environment | {"PYTHONPATH": paths, "PATH": os.environ["PATH"]}


@dataclass
class Traffic:
    """What customers' systems do meanwhile."""

    fleet: Fleet
    key: str
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)

    async def run(self, stop: asyncio.Event, number: int) -> None:
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self.key}"}, trust_env=False, timeout=60
        ) as http:
            turn = 0
            while not stop.is_set():
                turn += 1
                name = f"c{number}-{turn}"
                customer = {"organization_id": name, "name": name, "email": f"{name}@example.com"}
                await self._ask(http, "POST", "/api/customers", customer)
                order = {"organization_id": name, "plan_id": "pro", "billing_cycle": "monthly"}
                if await self._ask(http, "POST", "/api/subscriptions", order):
                    self.subscribed.append(name)
                reading = {"event_id": name, "organization_id": name, "meter": "calls", "value": "1"}
                await self._ask(http, "POST", "/api/usage", reading)
                for path in ("/api/invoices", f"/api/entitlements/{name}", "/api/events"):
                    await self._ask(http, "GET", path)
                await asyncio.sleep(0.2)

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, body: object = None) -> bool:
        address = list(self.fleet.serving.values())[sum(self.answers.values()) % len(self.fleet.serving)]
        try:
            answer = await http.request(method, address + path, json=body)
        except httpx.TransportError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return False
        self.answers[answer.status_code] += 1
        if not answer.is_success:
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.is_success


@asynccontextmanager
async def of_the_release_before(urls: DatabaseUrls, folder: Path, source: Path) -> AsyncIterator[Fleet]:
    installation = Installation(urls, folder)
    fleet = Fleet(installation, source)
    migrated = fleet.guilder("migrate", old=True)
    assert migrated.returncode == 0, migrated.stderr
    try:
        data = str(folder / "provider")
        fleet.add("provider", "simulated_provider", "--port", str(installation.provider_port), "--data", data, old=True)
        installation.until_answering(f"{installation.provider_url}/health", "provider")
        for name in ("old-api-1", "old-api-2"):
            fleet.serve(name, old=True)
        fleet.add("old-worker", "guilder", "work", old=True)
        fleet.add("old-scheduler", "guilder", "schedule", old=True)
        yield fleet
    finally:
        installation.stop()


@pytest.mark.shows("fault J2", "fault J3")
async def test_processes_of_two_releases_work_side_by_side_and_no_request_fails(
    a_database: Callable[..., "asyncio.Future[DatabaseUrls]"], tmp_path: Path, old_source: Path
) -> None:
    async with a_database(migrated=False) as urls, of_the_release_before(urls, tmp_path, old_source) as fleet:
        found = fleet.guilder("tenant", "create", "shop", "--name", "Shop", old=True)
        assert found.returncode == 0, found.stderr + found.stdout
        [key] = [line.split()[-1] for line in found.stdout.splitlines() if "API key" in line]
        await furnish(fleet, key)
        traffic, stop = Traffic(fleet, key), asyncio.Event()
        asking = [asyncio.create_task(traffic.run(stop, number)) for number in range(3)]
        try:
            await until(lambda: enough(traffic, 5), timeout_s=120, what="traffic before")
            migrated = await asyncio.to_thread(fleet.guilder, "migrate", old=False)
            assert migrated.returncode == 0, migrated.stderr + migrated.stdout
            assert "Applied" in migrated.stdout
            await until(lambda: enough(traffic, 10), timeout_s=120, what="traffic of the old on the new tables")
            fleet.add("new-worker", "guilder", "work", old=False)
            fleet.add("new-scheduler", "guilder", "schedule", old=False)
            await asyncio.to_thread(fleet.serve, "new-api-1", old=False)
            await until(lambda: enough(traffic, 20), timeout_s=120, what="traffic of both")
            for name in ("old-api-1", "old-worker", "old-scheduler"):
                await fleet.retire(name)
            await asyncio.to_thread(fleet.serve, "new-api-2", old=False)
            await fleet.retire("old-api-2")
            await until(lambda: enough(traffic, 30), timeout_s=120, what="traffic of the new")
        finally:
            stop.set()
            await asyncio.gather(*asking)
        assert not traffic.failures, traffic.failures[:5]
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as http:
            [address, *_] = fleet.serving.values()
            for name in traffic.subscribed:
                answer = await http.get(f"{address}/api/subscriptions/{name}")
                assert answer.is_success, (name, answer.text)
        await assert_healthy(fleet.installation)
        again = fleet.guilder("migrate", old=True)
        assert again.returncode != 0
        assert "newer than this code" in " ".join((again.stderr + again.stdout).split())


async def furnish(fleet: Fleet, key: str) -> None:
    [address, *_] = fleet.serving.values()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as http:
        price = {"billing_cycle": "monthly", "amount": 3000, "currency": "EUR"}
        for path, body in (
            ("/api/plans", {"code": "pro", "name": "Pro", "prices": [price]}),
            ("/api/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"}),
        ):
            answer = await http.post(address + path, json=body)
            assert answer.is_success, answer.text


async def enough(traffic: Traffic, subscribed: int) -> bool:
    assert len(traffic.failures) < 10, traffic.failures
    return len(traffic.subscribed) >= subscribed
