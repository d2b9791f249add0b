"""The worst days of brokers, relays and consumers, with a broker of one's own. Longer than `make test` has."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.metrics import registry
from tests.contracts.kafka_ground import a_relay, delete, everything, first_times
from tests.contracts.kafka_site import TOPIC, Site, a_site, in_the_log, running
from tests.contracts.log_process import nursery
from tests.contracts.log_toys import SCHEMA
from tests.rooms.platform.ground import platform_database, some_ids
from tests.support.database import DatabaseUrls
from tests.support.kafka import Broker, broker

pytestmark = [pytest.mark.needs_kafka, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
async def urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_storms_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture(scope="module")
def own_broker() -> Iterator[Broker]:
    with broker() as own:
        yield own


@pytest.fixture
async def site(urls: DatabaseUrls, own_broker: Broker) -> AsyncIterator[Site]:
    async with a_site(urls, own_broker.servers) as site:
        yield site


async def write_until(site: Site, over: asyncio.Event) -> None:
    while not over.is_set():
        await site.write_for_a_while(writers=4, each=5)


@pytest.mark.shows("fault D3")
@pytest.mark.parametrize("away_s", [30, 300])
async def test_a_broker_that_is_away_holds_nothing_up_and_gets_everything_in_order(
    site: Site, own_broker: Broker, away_s: int
) -> None:
    over = asyncio.Event()
    writing = asyncio.create_task(write_until(site, over))
    relay = a_relay(site.database, site.connection, delivery_s=5, lease_s=6)
    async with running(site.consumer(), relay, Sequencer(site.database)):
        await asyncio.sleep(3)
        own_broker.kill()
        for _ in range(away_s // 5):
            before = sum(map(len, (await site.heard()).values()))
            await asyncio.sleep(5)
            assert sum(map(len, (await site.heard()).values())) > before, "without a broker the log is looked into"
        outbox = await site.admin.fetchval("select platform.log_pending_relay()")
        over.set()
        await writing
        own_broker.start()
        async with asyncio.timeout(120):
            await site.all_relayed()
        await site.all_heard()
    await relay.close()
    assert outbox > 100
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)
    assert await site.parked() == []


async def test_a_broker_that_is_restarted_again_and_again(site: Site, own_broker: Broker) -> None:
    over = asyncio.Event()
    writing = asyncio.create_task(write_until(site, over))
    relay = a_relay(site.database, site.connection, delivery_s=5, lease_s=6)
    async with running(site.consumer(), relay, Sequencer(site.database)):
        for end in (own_broker.stop, own_broker.kill, own_broker.kill):
            await asyncio.sleep(random.uniform(1, 4))
            await asyncio.to_thread(end)
            await asyncio.sleep(random.uniform(0, 2))
            await asyncio.to_thread(own_broker.start)
        over.set()
        await writing
        await site.all_relayed()
        await site.all_heard()
    await relay.close()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)
    assert await site.parked() == []


@pytest.mark.shows("fault D4")
async def test_a_storm_of_rebalances_twice_sent_rows_and_lost_topics_has_one_effect(site: Site) -> None:
    over = asyncio.Event()
    writing = asyncio.create_task(write_until(site, over))
    relay = a_relay(site.database, site.connection, delivery_s=3, lease_s=4)

    async def comes_and_goes() -> None:
        while not over.is_set():
            async with running(site.consumer(batch_max=7)):
                await asyncio.sleep(random.uniform(0.5, 5))

    async with running(site.consumer(), relay, Sequencer(site.database)):
        guests = [asyncio.create_task(comes_and_goes()) for _ in range(3)]
        for n in range(6):
            await asyncio.sleep(5)
            await site.rewind()
            if n == 3:
                await asyncio.to_thread(delete, site.connection, TOPIC)
        over.set()
        await asyncio.gather(writing, *guests)
        await site.all_heard()
        await site.rewind()
        await site.all_relayed()
    await relay.close()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)
    assert await site.parked() == []
    assert registry.get_sample_value("guilder_kafka_rebalances_total", {"group": "listeners", "what": "revoked"})


@pytest.mark.shows("fault D1")
@pytest.mark.parametrize("kills", [20])
async def test_has_one_effect_when_processes_that_hear_over_kafka_are_killed(
    site: Site, urls: DatabaseUrls, kills: int
) -> None:
    over = asyncio.Event()
    writing = asyncio.create_task(write_until(site, over))
    async with running(site.relay), nursery(urls, site.connection.servers, site.connection.prefix) as born:
        workers = [await born() for _ in range(3)]
        for _ in range(kills):
            await asyncio.sleep(random.uniform(0.2, 1.5))
            os.kill(workers.pop(random.randrange(3)), signal.SIGKILL)
            workers.append(await born())
        over.set()
        await writing
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
    async with running(site.consumer(), site.relay, Sequencer(site.database)):
        await site.count(some_ids(1)[0])
        await site.all_heard()
        await site.all_relayed()
    assert first_times(everything(site.connection, TOPIC)) == await in_the_log(site)
    assert await site.parked() == []
