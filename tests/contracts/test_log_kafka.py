"""The log's promises over Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from guilder.platform.db.database import Database
from tests.contracts.kafka_ground import Ears, connected_to, kafka_world
from tests.contracts.log_toys import EMPTY, SCHEMA, World
from tests.contracts.test_log import LogContract
from tests.rooms.platform.ground import database_of, platform_database
from tests.support.database import DatabaseUrls, connected
from tests.support.kafka import Broker

pytestmark = pytest.mark.needs_kafka


@pytest.fixture(scope="module")
async def log_urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_log_kafka_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def database(log_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with connected(log_urls.admin) as admin:
        await admin.execute(EMPTY)
    async with database_of(log_urls) as database:
        yield database


@pytest.fixture(scope="module")
async def ears(kafka_broker: Broker) -> AsyncIterator[Ears]:
    ears, stop = Ears(connected_to(kafka_broker.servers)), asyncio.Event()
    running = asyncio.create_task(ears.run(stop))
    yield ears
    stop.set()
    await running
    await ears.sender.close()


class TestKafka(LogContract):
    @pytest.fixture(autouse=True)
    def hear(self, ears: Ears) -> None:
        self.ears = ears

    @asynccontextmanager
    async def opened(self, database: Database, admin: Any) -> AsyncIterator[World]:
        async with kafka_world(database, admin, self.ears) as world:
            yield world

    @pytest.mark.skip(reason="processes hear over Kafka in test_kafka_storms.py")
    async def test_has_one_effect_when_processes_are_killed(self) -> None: ...
