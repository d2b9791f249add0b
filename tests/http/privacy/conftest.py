from collections.abc import AsyncIterator

import pytest

from guilder.domain.privacy.routes import router
from tests.support.ground import database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    async with database_with_vault(database_urls) as database, served(database, [router]) as house:
        yield house
