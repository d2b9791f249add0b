"""A method that a provider keeps for one customer is nobody else's to be charged with, whoever knows its name."""

from guilder.domain.payments import service as payments
from guilder.domain.payments.model import MethodStatus
from tests.rooms.gateways.test_paypal_approval import account, fake, hear, merchant, opened, paypal  # noqa: F401
from tests.support.builders.customers import a_customer


async def saved_by(till, customer_id, token):
    async with till.tx() as tx:
        asked = await payments.add_method(tx, customer_id=customer_id, token=token, now=till.now)
    await till.settle()
    async with till.tx() as tx:
        return await payments.method(tx, method_id=asked.id)


async def test_what_was_saved_for_another_customer_is_refused(till, paypal, fake, merchant, account):  # noqa: F811
    await opened(till)
    [order] = merchant.orders
    merchant.approve(order)
    await hear(till, paypal, fake, merchant, account)
    *_, token = merchant.saved
    async with till.tx() as tx:
        other = await a_customer(tx, tenant_id=till.tenant.tenant_id, name="Other", now=till.now)
    taken = await saved_by(till, other.id, token)
    assert (taken.status, taken.decline_code) == (MethodStatus.INVALID, "payment_method_customer_mismatch")
    own = await saved_by(till, till.customer.id, token)
    assert own.status is MethodStatus.VALID
