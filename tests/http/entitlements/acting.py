"""What happens to customers of a house: they subscribe, and are shut out."""

from guilder.domain.dunning.events import AccessToBlock
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements import service as entitlements
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import of_case
from tests.support.builders.subscriptions import a_subscription
from tests.support.identity_provider import NOW


async def eligible(house, tenant, organization_id):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id=organization_id, now=NOW)
        plan = await a_plan(tx, code=f"pro-{organization_id}")
        subscription = await a_subscription(tx, customer, plan, is_active=True, now=NOW)
        await entitlements.follow(tx, refs=[subscription.ref], now=NOW)
    return customer


async def block(database, customer):
    async with database.transaction([customer.tenant_id], actor="test") as tx:
        await handlers.on_access_to_block(tx, [of_case(AccessToBlock, customer, reason="unpaid")], now=NOW)
