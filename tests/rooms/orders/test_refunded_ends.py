"""What an end refunds, after changes: each change pays for its time with what it gives back of the time before."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Billing, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.kernel.page import PageQuery
from tests.support.builders.orders import a_shop, asked, days

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


# 30.00 a seat for April; everything happens at its half, so that 15.00 a seat are left.
@pytest.mark.parametrize(
    ("seats", "refunded", "credit"),
    [
        ([2], 3000, 0),
        # The change charged 30.00 and gave 15.00 back, which were paid with the month; 15.00 were paid with the change.
        ([1, 2], 3000, 0),
        ([1, 2, 4], 6000, 0),
        # What became credit when seats were given back stays that.
        ([2, 1], 1500, 1500),
        ([1, 2, 1], 1500, 1500),
    ],
)
async def test_it_reaches_the_payments_of_what_was_changed(shop, seats, refunded, credit):
    first, *others = seats
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    plan = await shop.plan(amount=3000, billing=Billing(unused_on_cancel=Unused.REFUND))
    subscription = (await shop.subscribe(customer, plan, payment_method_id=card.id, quantity=first)).subscription
    await shop.advance(NOW + days(15))
    for quantity in others:
        await change(shop, subscription, quantity=quantity)
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=subscription.id, when=When.NOW, now=shop.now))
    await shop.drain()
    query = PageQuery(limit=50)
    made = await shop.act(lambda tx: payments.refunds(tx, query=query, customer_id=customer.id))
    held = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id))
    assert sum(each.amount.minor for each in made.items) == refunded
    assert (held["EUR"].minor if "EUR" in held else 0) == credit


async def change(shop, subscription, **wish):
    wanted = orders.Wish(**wish, when=When.NOW)
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=subscription.id, wish=wanted, asked=asked(), now=shop.now)
    )
    await shop.drain()
