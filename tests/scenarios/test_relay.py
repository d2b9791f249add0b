"""The relay as a process of its own, told to stop in the middle of its work; and what it and a worker tell of themselves."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.scenarios.conftest import START
from tests.support.database import DatabaseUrls, connected, new_database
from tests.support.kafka import Broker, broker
from tests.support.ports import free_port
from tests.support.processes import Installation, until
from tests.support.world import a_world

pytestmark = [pytest.mark.slow, pytest.mark.needs_kafka, pytest.mark.timeout(600)]

BEHIND = """
select coalesce(sum(h.position - coalesce(c.position, 0)), 0)::int from platform.log_heads h
  left join platform.log_cursors c on (c.group_name, c.topic, c.partition) = ('relay', h.topic, h.partition)"""
# What a role may take to stop, and a machine under load beside it.
STOPS_S = 60


@pytest.fixture(scope="module")
def brokers() -> Iterator[Broker]:
    with broker() as found:
        yield found


@pytest.fixture(scope="module")
async def relaying(
    cluster: DatabaseUrls, brokers: Broker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    async with new_database(cluster, "guilder_relaying") as urls:
        installation = Installation(urls, tmp_path_factory.mktemp("relaying"))
        installation.more["KAFKA_BOOTSTRAP_SERVERS"] = brokers.servers
        try:
            installation.start_all()
            for name, role in (("relay", "relay"), ("telling", "work")):
                installation.add(name, "-m", "guilder", role, METRICS_PORT=str(free_port()))
                installation.until_answering(node(installation, name, "ready"), name)
            yield installation
        finally:
            installation.stop()


def node(installation: Installation, name: str, page: str) -> str:
    return f"http://127.0.0.1:{installation.processes[name].environment['METRICS_PORT']}/{page}"


async def ready(installation: Installation, name: str) -> dict[str, object]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        url = f"{installation.base_url}/ready" if name == "api" else node(installation, name, "ready")
        answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def ended(installation: Installation, name: str) -> int:
    running = installation.processes[name].running
    assert running is not None
    return await asyncio.to_thread(running.wait, STOPS_S)


async def test_it_stops_well_in_the_middle_of_its_work_and_the_next_one_goes_on(relaying: Installation) -> None:
    relay = relaying.processes["relay"]
    async with a_world(relaying, starts_at=START) as world, connected(relaying.urls.admin) as admin:
        await world.plan()
        for round_ in range(2):
            making = [asyncio.create_task(world.customer(f"stops-{round_}-{n}")) for n in range(20)]
            await making[0]
            relay.kill(signal.SIGTERM)
            assert await ended(relaying, "relay") == 0, relay.said()
            await asyncio.gather(*making)
            # It let go of every partition: the next one need not wait for a lease to run out.
            assert await admin.fetchval("select count(*) from platform.log_relays where held_until > now()") == 0
            relay.start()
            # Told before it listens to signals, it would end as any process does, and have begun nothing.
            await asyncio.to_thread(relaying.until_answering, node(relaying, "relay", "ready"), "relay")

        async def is_carried() -> bool:
            return not await admin.fetchval(BEHIND)

        await until(is_carried, what="the log in the topics")


async def test_it_stops_though_the_broker_does_not_answer(relaying: Installation, brokers: Broker) -> None:
    relay = relaying.processes["relay"]
    async with a_world(relaying, starts_at=START) as world:
        brokers.freeze()
        try:
            for n in range(5):
                await world.customer(f"frozen-{n}")
            await asyncio.sleep(2)  # by then it is sending
            relay.kill(signal.SIGTERM)
            assert await ended(relaying, "relay") == 0, relay.said()
        finally:
            brokers.thaw()
        relay.start()
        relaying.until_answering(node(relaying, "relay", "ready"), "relay")


async def test_that_kafka_is_away_is_said_by_all_and_nobody_is_unready(relaying: Installation, brokers: Broker) -> None:
    everybody = ("api", "telling", "relay")
    brokers.stop()
    try:
        for name in everybody:

            async def says_so() -> bool:
                degraded = (await ready(relaying, name)).get("degraded", {})  # noqa: B023
                return isinstance(degraded, dict) and "does not answer" in degraded.get("kafka", "")

            await until(says_so, what=f"{name}'s word of it")
    finally:
        brokers.start()
    for name in everybody:

        async def is_well() -> bool:
            return (await ready(relaying, name)) == {"status": "ready"}  # noqa: B023

        await until(is_well, what=f"{name}'s word that it is there")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        figures = (await client.get(node(relaying, "telling", "metrics"))).text
    assert "guilder_transport_rows_total" in figures
