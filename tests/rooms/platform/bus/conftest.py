"""The log on its own database, empty before each test."""

from collections.abc import AsyncIterator

import pytest

from guilder.platform.bus.transport import PostgresTransport
from guilder.platform.db.database import Database
from tests.contracts.log_toys import EMPTY, SCHEMA, World
from tests.rooms.platform.ground import database_of, platform_database
from tests.support.database import DatabaseUrls, connected


@pytest.fixture(scope="session")
async def bus_urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_bus_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def database(bus_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with connected(bus_urls.admin) as admin:
        await admin.execute(EMPTY)
    async with database_of(bus_urls) as database:
        yield database


@pytest.fixture
async def world(database: Database, bus_urls: DatabaseUrls) -> AsyncIterator[World]:
    async with connected(bus_urls.admin) as admin:
        yield World(database, admin, PostgresTransport(database))
