from collections.abc import AsyncIterator

import pytest

from guilder.domain.entitlements.routes import router
from tests.http.entitlements.acting import eligible
from tests.support.builders.identity import new_tenant
from tests.support.ground import database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    async with database_with_vault(database_urls) as database, served(database, [router]) as house:
        yield house


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database, name="Acme", time_zone="Europe/Amsterdam")


@pytest.fixture
async def ask(house, tenant):
    return await house.key_of(tenant)


@pytest.fixture
async def customer(house, tenant):
    return await eligible(house, tenant, "org_1")
