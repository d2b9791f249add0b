from dataclasses import dataclass

import pytest

from guilder.domain.customers.model import Customer
from guilder.domain.entitlements import service as entitlements
from guilder.platform.db.database import Database
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant


@dataclass
class Ground:
    """One tenant, one customer, and what it may use."""

    database: Database
    tenant_id: object
    customer: Customer

    def tx(self, **about):
        return self.database.transaction([self.tenant_id], actor="test", **about)

    async def hear(self, handler, *messages, now=NOW):
        """Tell a handler, in a transaction of its own; return the names of what was announced."""
        async with self.tx() as tx:
            await handler(tx, list(messages), now=now)
            return [each.event.name.removeprefix("entitlements.access.") for each in tx.outbox]

    async def standing(self, *, now=NOW, **options):
        async with self.tx() as tx:
            return await entitlements.standing(tx, text=self.customer.organization_id, now=now, **options)


@pytest.fixture
async def ground(database):
    tenant = await new_tenant(database)
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id="org_1")
    return Ground(database, tenant.tenant_id, customer)
