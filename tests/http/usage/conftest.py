from collections.abc import AsyncIterator

import pytest

from guilder.domain.customers.routes import router as customers_router
from guilder.domain.identity.routes import router as identity_router
from guilder.domain.usage.routes import router as usage_router
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.builders.usage import Metered, a_meter
from tests.support.ground import database_with_vault
from tests.support.served import Served, served


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    async with (
        database_with_vault(database_urls) as database,
        served(database, [identity_router, customers_router, usage_router]) as house,
    ):
        yield house


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database, name="Acme", time_zone="UTC")


@pytest.fixture
async def ground(house, tenant) -> Metered:
    """Acme bills org_1, by a meter called `calls`."""
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id="org_1", time_zone="UTC")
        return Metered(tenant.tenant_id, customer, await a_meter(tx, code="calls"))
