from collections.abc import AsyncIterator

import pytest

from guilder.domain.customers.routes import router as customers_router
from guilder.domain.identity.routes import router as identity_router
from tests.support.builders.identity import new_tenant
from tests.support.builders.staff import RIGHT, a_member
from tests.support.ground import database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    async with (
        database_with_vault(database_urls) as database,
        served(database, [identity_router, customers_router]) as house,
    ):
        yield house


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database, name="Acme", time_zone="Europe/Amsterdam")


@pytest.fixture
async def acme(house):
    return await new_tenant(house.database, name="Acme", slug="default")


@pytest.fixture
async def ana(house, acme):
    return await a_member(house.database, acme)


@pytest.fixture
async def signed_in(house, ana):
    browser = house.browser()
    answer = await browser.post("/api/session", json=RIGHT)
    assert answer.status_code == 201, answer.text
    return browser
