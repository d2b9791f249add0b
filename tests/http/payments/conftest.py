"""Gateways and payments behind the real edge, with a till at the real simulated provider."""

from collections.abc import AsyncIterator, Iterator

import pytest

from guilder.domain.gateways import routes as gateway_routes
from guilder.domain.payments import routes as payment_routes
from guilder.platform.db.database import Database
from tests.simulated_provider.support import Provider
from tests.support.builders.payments import Till, a_till
from tests.support.database import DatabaseUrls
from tests.support.ground import database_with_vault
from tests.support.identity_provider import NOW
from tests.support.served import Served, served


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


@pytest.fixture
async def database(database_urls: DatabaseUrls, clean: None) -> AsyncIterator[Database]:
    async with database_with_vault(database_urls) as database:
        yield database


@pytest.fixture
async def till(database: Database, provider: Provider) -> AsyncIterator[Till]:
    async with a_till(database, provider, now=NOW) as till:
        yield till


@pytest.fixture
async def site(database: Database, till: Till) -> AsyncIterator[Served]:
    async with served(database, [gateway_routes.router, payment_routes.router], now=NOW) as site:
        site.app.state.gateways = {till.gateway.name: till.gateway}
        yield site
