"""Rooms are tried on a real PostgreSQL, migrated whole, and empty before each test."""

from collections.abc import AsyncIterator

import pytest

from guilder.platform.db.database import Database
from tests.support.database import DatabaseUrls
from tests.support.ground import database_with_vault


@pytest.fixture
async def database(database_urls: DatabaseUrls, clean: None) -> AsyncIterator[Database]:
    async with database_with_vault(database_urls) as database:
        yield database
