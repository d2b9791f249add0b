"""The company product beside Guilder: what it was asked is done once, what was announced is heard once, whoever dies.

It stands with the scenarios for their installation's sake: a process of its own, of which only the environment says
anything of Guilder.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from standardwebhooks import Webhook

from guilder.kernel import ids
from tests.scenarios.test_first_minutes import BLOCK, Shell
from tests.support.database import connected, new_database
from tests.support.ports import free_port
from tests.support.processes import Installation, Process, until
from tests.support.world import World, a_world

ROOT = Path(__file__).parents[2]
README = (ROOT / "examples" / "company_product" / "README.md").read_text()
TYPES = "orders.charge.accepted,orders.charge.settled,orders.charge.failed,orders.charge.refused,entitlements.access.*"


@dataclass
class Line:
    """The line between the product and Guilder, which can be cut."""

    to_port: int
    port: int = 0
    is_cut: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        self.is_cut = True
        for each in self._open:
            each.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        there, onward = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._open |= {writer, onward}
        await asyncio.gather(_pour(reader, onward), _pour(there, writer))
        self._open -= {writer, onward}


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()


@dataclass
class Farm:
    world: World
    process: Process
    http: httpx.AsyncClient
    line: Line

    async def start(self) -> None:
        self.process.start()

        async def serves() -> bool:
            assert self.process.is_running, self.process.said()
            try:
                return (await self.http.get("/health")).is_success
            except httpx.TransportError:
                return False

        await until(serves, timeout_s=60, what="the product's start")

    def kill(self) -> None:
        self.process.kill()

    async def ask(self, job: str, customer: str = "pixel", amount: int = 1250, currency: str = "EUR") -> httpx.Response:
        said = {"id": job, "customer": customer, "amount": amount, "currency": currency}
        return await self.http.post("/jobs", json=said)

    async def job(self, job: str) -> Any:
        return (await self.http.get(f"/jobs/{job}")).json()

    async def until_job(self, job: str, status: str) -> Any:
        async def there() -> Any:
            found = await self.job(job)
            return found if found["status"] == status else None

        try:
            return await until(there, timeout_s=60, every_s=0.3, what=f"{job} {status}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.job(job)}\n{self.process.said()}") from error

    async def heard(self) -> list[str]:
        return [each["id"] for each in (await self.http.get("/heard")).json()]


@asynccontextmanager
async def a_farm(world: World, folder: Path, **more: str) -> AsyncIterator[Farm]:
    line, port = Line(world.installation.port), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "examples"),
        "GUILDER_API_KEY": world.api_key,
        "GUILDER_WEBHOOK_SECRET": "whsec_" + secrets.token_hex(16),
        "PRODUCT_PORT": str(port),
        "PRODUCT_DATA": str(folder / "farm.db"),
        **more,
    }
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    environment["GUILDER_URL"] = f"http://127.0.0.1:{line.port}"
    process = Process("farm", [sys.executable, "-m", "company_product"], environment, folder / "farm.log")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
        farm = Farm(world, process, http, line)
        try:
            await farm.start()
            yield farm
            assert await asyncio.to_thread(process.stop) == 0, process.said()
        finally:
            process.stop()
            line.cut()
            server.close()


@pytest.fixture
async def farm(world: World, tmp_path: Path) -> AsyncIterator[Farm]:
    async with a_farm(world, tmp_path) as farm:
        yield farm


async def charges(world: World) -> list[str]:
    return [each["source_id"] for each in await world.get("/api/charges", source="render-farm", limit=200)]


async def feed(world: World) -> list[str]:
    return [each["id"] for each in await world.get("/api/events", types=TYPES, limit=200)]


async def everything_was_heard_once(world: World, farm: Farm) -> int:
    async def all_heard() -> Any:
        said, heard = await feed(world), await farm.heard()
        return heard if set(said) == set(heard) and len(heard) == len(set(heard)) else None

    return len(await until(all_heard, timeout_s=60, every_s=0.5, what="the end of the feed"))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_and_cut_off_it_charges_each_job_once_and_hears_every_event_once(world, farm):
    await world.customer("pixel")
    await world.customer("stranger")
    await world.card("pixel", "pm_card_ok")
    # Of another program that took this product's name: its id is used up.
    event = {"specversion": "1.0", "id": "job-11", "source": "render-farm", "type": "orders.charge.requested"}
    await world.post("/api/charges", {**event, "data": {"customer": "pixel", "amount": 7, "currency": "EUR"}})
    asked = [f"job-{number}" for number in range(5)]
    for number, job in enumerate(asked):
        assert (await farm.ask(job)).status_code == 202
        if number == 2:
            farm.kill()
            await farm.start()
        assert (await farm.ask(job)).json()["id"] == job
    await farm.until_job(asked[0], "settled")

    farm.line.cut()
    assert (await farm.ask("job-9")).status_code == 202, "what is known of a customer holds"
    assert (await farm.ask("job-10", "stranger")).status_code == 503, "and nothing is known of this one"
    farm.kill()
    await farm.start()
    assert (await farm.job("job-9"))["status"] == "asked"
    farm.line.is_cut = False

    asked.append("job-9")
    for job in asked:
        await farm.until_job(job, "settled")
    everything = [*asked, "job-11"]
    assert await everything_was_heard_once(world, farm) == 2 * len(everything), "accepted and settled"
    assert sorted(await charges(world)) == sorted(everything)
    assert len((await world.journal())["charges"]) == len(everything)

    assert (await farm.ask("job-11")).status_code == 202
    assert (await farm.ask("job-12")).status_code == 202
    await farm.until_job("job-12", "settled")
    assert (await farm.until_job("job-11", "refused"))["reason"] == "charge_id_reused"
    assert (await farm.ask("job-12", amount=9)).status_code == 409, "an id belongs to one job for ever"
    assert (await farm.ask("job-13", "nobody")).status_code == 404
    await only_what_was_signed_is_heard(farm)


async def only_what_was_signed_is_heard(farm: Farm) -> None:
    webhook = Webhook(farm.process.environment["GUILDER_WEBHOOK_SECRET"])
    body = json.dumps({"type": "orders.charge.settled", "data": {}})
    now = datetime.now(UTC)

    async def said(*, at: datetime, body: str = body) -> int:
        signature = webhook.sign("msg_1", at, json.dumps({"type": "orders.charge.settled", "data": {}}))
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        return (await farm.http.post("/hooks/guilder", content=body, headers=headers)).status_code

    assert await said(at=now) == 200
    assert await said(at=now, body=body.replace("settled", "refused")) == 401
    assert await said(at=now - timedelta(minutes=6)) == 401
    assert (await farm.http.post("/hooks/guilder", content=body)).status_code == 401


@pytest.mark.timeout(300)
async def test_every_command_of_the_readme_does_what_it_says(world, tmp_path):
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "demo-key").write_text(world.api_key)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv-product").symlink_to(Path(sys.prefix))
    installation, port = world.installation, free_port()
    shell = Shell(tmp_path, port=installation.port, provider_port=installation.provider_port)
    libraries, *blocks = (block.replace("PRODUCT_PORT=5000", f"PRODUCT_PORT={port}") for block in BLOCK.findall(README))
    assert "pip install" in libraries, "what the tests have installed already"
    try:
        said = [await asyncio.to_thread(shell.run, block) for block in blocks]
    finally:
        shell.close()
    starts, _, once, killed, blocked, again = said
    assert '"status": "ok"' in starts
    assert once.count('"source_id":"job-1"') == 1
    assert '"settled"' in killed
    assert "this customer is blocked" in blocked
    assert '"is_blocked": false' in again
    assert again.count("orders.charge.settled") == 3
    heard = re.findall(r'"id": "([0-9a-f-]{36})"', again)
    assert len(heard) == len(set(heard)), "once each"
    charged = await world.get("/api/events", types="orders.charge.accepted,orders.charge.settled", limit=200)
    assert {each["id"] for each in charged} <= set(heard), "none is missing"
    hooks = await world.get("/api/webhook-endpoints")
    deliveries = await world.get(f"/api/webhook-endpoints/{hooks[0]['id']}/deliveries", limit=200)
    assert any(each["status"] == "delivered" for each in deliveries)


@pytest.mark.slow
@pytest.mark.needs_kafka
@pytest.mark.timeout(600)
async def test_over_kafka_it_charges_each_job_once_and_hears_every_event_once(
    cluster, worker_id, tmp_path, kafka_broker
):
    prefix = f"farm{secrets.token_hex(3)}."
    brokers = {"KAFKA_BOOTSTRAP_SERVERS": kafka_broker.servers, "KAFKA_TOPIC_PREFIX": prefix}
    async with new_database(cluster, f"guilder_{worker_id}_farm") as urls:
        installation = Installation(urls, tmp_path / "guilder", more=brokers)
        try:
            installation.start_all()
            installation.add("relay", "-m", "guilder", "relay")
            async with a_world(installation) as world:
                slug = await slug_of(world)
                asked, refused = f"{prefix}charges.requests.{slug}", f"{prefix}charges.refused.{slug}"
                admin = AdminClient({"bootstrap.servers": kafka_broker.servers})
                for made in admin.create_topics([NewTopic(asked, 4, 1), NewTopic(refused, 1, 1)]).values():
                    made.result(30)
                tenant = {"GUILDER_TENANT": slug, "GUILDER_TENANT_ID": ids.to_text("ten", world.tenant_id)}
                async with a_farm(world, tmp_path, **brokers, **tenant) as farm:
                    await jobs_go_by_kafka(world, farm, installation)
        finally:
            installation.stop()


async def slug_of(world: World) -> str:
    async with connected(world.installation.urls.admin) as admin:
        return str(await admin.fetchval("select slug from identity.tenants where tenant_id = $1", world.tenant_id))


async def jobs_go_by_kafka(world: World, farm: Farm, installation: Installation) -> None:
    await world.customer("pixel")
    await world.card("pixel", "pm_card_ok")
    asked = [f"job-{number}" for number in range(9)]
    for number, job in enumerate(asked):
        assert (await farm.ask(job)).status_code == 202
        if number == 3:
            farm.kill()
            await farm.start()
        if number == 6:
            installation.processes["relay"].kill()
            installation.processes["relay"].start()
    for job in asked:
        await farm.until_job(job, "settled")
    assert sorted(await charges(world)) == sorted(asked)
    assert len((await world.journal())["charges"]) == len(asked)
    assert await everything_was_heard_once(world, farm) == 2 * len(asked), "accepted and settled"
    # What is no charge comes back by the topic of dead letters, with the reason.
    assert (await farm.ask("job-9", currency="NONE")).status_code == 202
    assert (await farm.until_job("job-9", "refused"))["reason"]
