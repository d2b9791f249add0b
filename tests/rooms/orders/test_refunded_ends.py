"""What an end refunds, after changes: each change pays for its time with what it gives back of the time before."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Billing, Collection, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.rolling import rolled
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Limits
from guilder.kernel.money import Money
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


async def test_what_makes_a_bill_owe_less_pays_out_no_credit_that_was_given_for_something_else(shop):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    low = await shop.plan(amount=1000)
    high = await shop.plan(amount=3000, billing=Billing(unused_on_cancel=Unused.REFUND, collection=Collection.SEND))
    subscription = (await shop.subscribe(customer, low, payment_method_id=card.id)).subscription
    await change(shop, subscription, plan=high.code)
    gift = {"customer_id": customer.id, "amount": Money(400, "EUR"), "reason": "Sorry"}
    await shop.act(lambda tx: invoicing.grant_credit(tx, **gift, now=shop.now))
    await shop.advance(NOW + days(15))
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=subscription.id, when=When.NOW, now=shop.now))
    made = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), customer_id=customer.id))).items
    # -10.00 and 30.00 are owed; 15.00 of it are unused.
    assert [(each.total.minor, each.due.minor) for each in made] == [(-1500, 0), (2000, 500), (1000, 0)]
    assert (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))).items == []
    held = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id))
    assert held["EUR"].minor == 400


# 15.00 are left of 30.00, and one person may pay nothing out alone. `by`: who ends it, or comes by when it is due to end.
@pytest.mark.parametrize(
    ("by", "on_its_date", "refunded", "credit"),
    [
        ("user:kim", False, 0, 1500),
        ("staff:ana", False, 0, 1500),
        ("staff:ana", True, 1500, 0),
        ("test", True, 1500, 0),
    ],
)
async def test_who_may_not_pay_so_much_out_alone_ends_it_all_the_same(shop, by, on_its_date, refunded, credit):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    plan = await shop.plan(amount=3000, billing=Billing(unused_on_cancel=Unused.REFUND))
    subscription = (await shop.subscribe(customer, plan, payment_method_id=card.id)).subscription
    await shop.drain()
    limits = Limits(refunds={"EUR": 0}, credits={"EUR": 0})
    await shop.act(lambda tx: payments.set_two_person_limits(tx, limits=limits, now=NOW))
    at = NOW + days(15)
    if on_its_date:
        await shop.act(lambda tx: orders.cancel(tx, subscription_id=subscription.id, at=at, now=shop.now))
    async with shop.database.transaction([shop.tenant.tenant_id], actor=by) as tx:
        if on_its_date:
            await rolled(tx, subscription_id=subscription.id, only=None, now=at)
        else:
            await orders.cancel(tx, subscription_id=subscription.id, when=When.NOW, now=at)
    made = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery(limit=50), customer_id=customer.id))
    held = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id))
    assert sum(each.amount.minor for each in made.items) == refunded
    assert (held["EUR"].minor if "EUR" in held else 0) == credit


async def test_who_wishes_for_a_refund_that_takes_two_is_refused(shop):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    subscription = (await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)).subscription
    await shop.drain()
    await shop.act(lambda tx: payments.set_two_person_limits(tx, limits=Limits(credits={"EUR": 0}), now=NOW))
    with pytest.raises(invoicing.SecondPersonNeeded):
        async with shop.database.transaction([shop.tenant.tenant_id], actor="staff:ana") as tx:
            await orders.cancel(
                tx, subscription_id=subscription.id, when=When.NOW, unused=Unused.REFUND, now=NOW + days(15)
            )


async def change(shop, subscription, **wish):
    wanted = orders.Wish(**wish, when=When.NOW)
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=subscription.id, wish=wanted, asked=asked(), now=shop.now)
    )
    await shop.drain()
