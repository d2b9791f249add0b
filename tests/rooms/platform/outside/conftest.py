"""A toy room that charges through a toy provider."""

from collections.abc import AsyncIterator

import pytest

from guilder.platform.db.database import Database
from tests.rooms.platform.ground import Clocks, database_of, platform_database
from tests.rooms.platform.outside.toys import SCHEMA, Provider, World
from tests.support.database import DatabaseUrls, connected


@pytest.fixture(scope="session")
async def outside_urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with platform_database(cluster, f"guilder_outside_{worker_id}", SCHEMA) as urls:
        yield urls


@pytest.fixture
async def database(outside_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with connected(outside_urls.admin) as admin:
        await admin.execute("delete from platform.intents; delete from toy.charges; delete from toy.journal")
    async with database_of(outside_urls) as database:
        yield database


@pytest.fixture
async def world(database: Database, outside_urls: DatabaseUrls) -> AsyncIterator[World]:
    async with connected(outside_urls.admin) as admin:
        yield World(database, admin, Clocks(), Provider())
