"""The log's promises over Kafka, and what only Kafka can do to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from guilder.platform.db.database import Database
from tests.contracts.kafka_ground import Ears, connected_to, kafka_world
from tests.contracts.log_toys import World
from tests.contracts.test_log import LogContract, database, log_urls
from tests.support.kafka import Broker

__all__ = ["database", "log_urls"]

pytestmark = pytest.mark.needs_kafka


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
