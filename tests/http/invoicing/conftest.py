from collections.abc import AsyncIterator

import pytest

from guilder.domain.identity.routes import router as identity_router
from guilder.domain.invoicing.routes import files_router
from guilder.domain.invoicing.routes import router as invoicing_router
from guilder.platform.outside.files import open_files
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.ground import RING, database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    async with (
        database_with_vault(database_urls) as database,
        served(database, [identity_router, invoicing_router, files_router]) as house,
    ):
        house.app.state.files = open_files("memory://")
        house.app.state.keys = RING
        house.app.state.clock = house.clock
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
        return await a_customer(tx, organization_id="org_1")
