"""A shop whose staff looks after failed payments."""

from collections.abc import AsyncIterator

import pytest

from guilder.domain.dunning.routes import router
from guilder.platform.db.database import Database
from tests.support.builders.orders import Shop, a_shop
from tests.support.database import DatabaseUrls
from tests.support.ground import database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def database(database_urls: DatabaseUrls, clean: None) -> AsyncIterator[Database]:
    async with database_with_vault(database_urls) as database:
        yield database


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await a_shop(database)


@pytest.fixture
async def door(database: Database) -> AsyncIterator[Served]:
    async with served(database, [router]) as door:
        yield door
