"""Time that was refunded and is paid for anew, in whatever order entitlements hears of the two."""

import pytest

from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import RefundSucceeded
from guilder.domain.payments.model import RefundReason
from guilder.kernel import ids
from guilder.kernel.page import PageQuery
from tests.rooms.entitlements.test_both_ways import standing
from tests.support.builders.orders import a_shop, asked, days


@pytest.mark.parametrize("is_heard_late", [False, True])
async def test_what_is_paid_for_anew_is_had_in_whatever_order_it_is_heard(database, is_heard_late):
    shop = await a_shop(database)
    customer = await shop.customer()
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(amount=1000), payment_method_id=card.id)
    await shop.drain()
    assert (await standing(shop, customer)).is_eligible
    [paid] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    shop.now += days(5)
    refunded = RefundSucceeded(
        tenant_id=paid.tenant_id,
        refund_id=ids.new(shop.now),
        payment_id=paid.id,
        invoice_id=paid.invoice_id,
        customer_id=customer.id,
        amount=paid.amount,
        reason_code=RefundReason.OTHER,
        ends_access=True,
        settled_at=shop.now,
    )
    if not is_heard_late:
        shop.heard.append(refunded)
        assert not (await standing(shop, customer)).is_eligible
    shop.now += days(1)
    wish = orders.Wish(plan=(await shop.plan(amount=3000)).code, when=When.NOW)
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=answer.subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    if is_heard_late:
        assert (await standing(shop, customer)).is_eligible
        shop.heard.append(refunded)
    assert (await standing(shop, customer)).is_eligible
