from collections.abc import AsyncIterator

import pytest

from guilder.domain.subscriptions.routes import router as subscriptions_router
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.ground import database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    async with (
        database_with_vault(database_urls) as database,
        served(database, [subscriptions_router]) as house,
    ):
        yield house


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database, name="Acme", time_zone="Europe/Amsterdam")


@pytest.fixture
async def ask(house, tenant):
    return await house.key_of(tenant)


@pytest.fixture
def open_tx(house, tenant):
    return lambda: house.database.transaction([tenant.tenant_id], actor="test")


@pytest.fixture
async def customer(open_tx):
    async with open_tx() as tx:
        return await a_customer(tx, organization_id="org_1", time_zone="Europe/Amsterdam")


@pytest.fixture
async def plan(open_tx):
    async with open_tx() as tx:
        return await a_plan(tx, amount=3_000)
