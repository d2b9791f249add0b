"""A tenant with a catalog."""

import pytest

from tests.support.builders.identity import new_tenant


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database)).tenant_id


@pytest.fixture
def open_tx(database, tenant):
    """Open a transaction of the tenant: `async with open_tx() as tx`; of another one, or several, if they are said."""
    return lambda *tenants: database.transaction(tenants or [tenant], actor="test")
