"""A till at the real simulated provider, which is a process of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from guilder.platform.db.database import Database
from tests.simulated_provider.support import Provider
from tests.support.builders.payments import Till, a_till


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


@pytest.fixture
async def till(database: Database, provider: Provider) -> AsyncIterator[Till]:
    async with a_till(database, provider) as till:
        yield till
