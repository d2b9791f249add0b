"""Subscribing, in one transaction; and what the bank makes of it."""

import asyncio

import pytest

from guilder.domain.catalog.model import Limit, NewPrice
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.events import OrderCompleted, OrderPlaced
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.rules.terms import NoSuchPrice, QuantityTooLarge
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from tests.support.builders.orders import a_shop, asked, days, says_no


async def standing(shop, answer):
    subscription = await shop.act(lambda tx: subscriptions.one(tx, ref=answer.subscription.ref))
    order = await shop.act(lambda tx: orders.one(tx, order_id=answer.order.id))
    return subscription.status, order.status


async def test_a_paid_plan_waits_for_its_payment_by_link(shop):
    answer = await shop.subscribe(await shop.customer(), await shop.plan(amount=3000))
    assert answer.payment_link.startswith("https://billing.example.com/checkout/")
    assert answer.amount_due.minor == 3000
    assert await standing(shop, answer) == ("processing", "processing")

    await shop.pays_by_link(answer)
    assert await standing(shop, answer) == ("active", "completed")
    assert shop.names().count(OrderCompleted.name) == 1


async def test_a_paid_plan_with_a_card_is_charged_and_begins(shop):
    customer = await shop.customer()
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)
    assert await standing(shop, answer) == ("active", "completed")
    assert shop.charged_at == [shop.now]


async def test_a_free_plan_is_active_and_complete_at_once(shop):
    customer, plan = await shop.customer(), await shop.plan(amount=0)
    answer = await shop.act(lambda tx: shop.subscribed(tx, customer, plan))
    assert (answer.subscription.status, answer.order.status) == ("active", "completed")
    assert answer.payment_link is None
    await shop.drain()
    assert shop.names().count(OrderCompleted.name) == 1


@pytest.mark.shows("API6")
async def test_a_trial_owes_nothing_and_is_had_once_for_each_plan(shop):
    customer, plan = await shop.customer(), await shop.plan(trial_days=14)
    answer = await shop.subscribe(customer, plan)
    assert answer.subscription.status == "trialing"
    assert (answer.invoice, answer.payment_link) == (None, None)
    assert answer.order.status == "completed"

    ref = answer.subscription.ref
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, when=When.NOW, now=shop.now))
    again = await shop.subscribe(customer, plan)
    assert again.subscription.status == "processing"
    other = await shop.subscribe(customer, await shop.plan(trial_days=14))
    assert other.subscription.status == "trialing"


async def test_staff_may_give_another_trial(shop):
    answer = await shop.subscribe(await shop.customer(), await shop.plan(trial_days=14), trial_days=0)
    assert answer.subscription.status == "processing"


@pytest.mark.parametrize(
    ("over", "refusal", "field"),
    [
        ({"plan": "no-such-plan"}, NotFound, "plan_id"),
        ({"organization_id": "nobody"}, NotFound, "organization_id"),
        ({"billing_cycle": "yearly"}, NoSuchPrice, "billing_cycle"),
        ({"currency": "USD"}, NoSuchPrice, "currency"),
        ({"quantity": 4}, QuantityTooLarge, "quantity"),
        ({"payment_method_id": Ref}, orders.MethodNotUsable, "payment_method_id"),
    ],
)
async def test_what_does_not_fit_is_refused_by_the_name_of_its_field_and_leaves_nothing(shop, over, refusal, field):
    customer = await shop.customer()
    stranger = await shop.customer()
    card = await shop.card(stranger)
    over = {name: card.id if value is Ref else value for name, value in over.items()}
    plan = await shop.plan(limits=(Limit(code="quantity", name="At most", included=3),))
    shop.heard.clear()
    with pytest.raises(refusal) as refused:
        await shop.subscribe(customer, plan, **over)
    assert refused.value.field == field
    assert shop.heard == []
    assert await shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=customer.id)) == []


async def test_another_tenants_customer_is_nobody(shop, database):
    plan = await shop.plan()
    theirs = await (await a_shop(database)).customer()
    with pytest.raises(NotFound) as refused:
        await shop.subscribe(theirs, plan)
    assert refused.value.field == "organization_id"


async def test_a_customers_user_orders_for_its_own_customer_only(shop):
    plan, mine, theirs = await shop.plan(), await shop.customer(), await shop.customer()
    with pytest.raises(NotFound):
        await shop.subscribe(theirs, plan, asked=asked(only=mine.id))
    answer = await shop.subscribe(mine, plan, asked=asked(only=mine.id))
    assert answer.subscription.customer_id == mine.id


async def test_of_two_orders_at_once_for_the_same_plan_one_is_refused(shop):
    customer, plan = await shop.customer(), await shop.plan()
    outcomes = await asyncio.gather(
        *(shop.act(lambda tx: shop.subscribed(tx, customer, plan)) for _ in range(6)), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, Exception)]
    assert [type(each) for each in refused] == [orders.AlreadySubscribed] * 5
    assert len(await shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=customer.id))) == 1
    assert shop.names().count(OrderPlaced.name) == 1


async def test_a_plan_that_has_ended_may_be_had_again(shop):
    customer, plan = await shop.customer(), await shop.plan()
    first = await shop.subscribe(customer, plan)
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=first.subscription.id, when=When.NOW, now=shop.now))
    await shop.drain()
    assert await standing(shop, first) == ("expired", "canceled")
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=first.invoice.id))
    assert invoice.status == "void"
    again = await shop.subscribe(customer, plan)
    assert again.subscription.status == "processing"


async def test_what_nobody_pays_by_link_is_given_up_after_a_week(shop):
    answer = await shop.subscribe(await shop.customer(), await shop.plan())
    await shop.advance(shop.now + days(6.99))
    assert await standing(shop, answer) == ("processing", "processing")
    await shop.advance(shop.now + days(0.02))
    assert await standing(shop, answer) == ("expired", "canceled")
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=answer.invoice.id))
    assert invoice.status == "void"
    with pytest.raises(Conflict):
        await shop.pays_by_link(answer)


async def test_what_nobody_pays_by_link_within_its_first_period_is_given_up_with_it(shop):
    daily = NewPrice(interval=Interval(Unit.DAY), unit_amount=Money(100, "EUR"), cycle="daily")
    answer = await shop.subscribe(await shop.customer(), await shop.plan(prices=(daily,)))
    await shop.advance(shop.now + days(1))
    assert await standing(shop, answer) == ("expired", "canceled")


async def test_what_is_charged_to_a_card_is_not_given_up_but_tried_again(shop):
    customer = await shop.customer()
    card = await shop.card(customer)
    shop.bank = says_no
    answer = await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)
    started = shop.now
    await shop.advance(started + days(8))
    assert shop.charged_at == [started + days(count) for count in (0, 1, 3, 7)]
    assert await standing(shop, answer) == ("expired", "canceled")


async def test_a_first_invoice_that_staff_voids_ends_what_waited_for_it(shop):
    answer = await shop.subscribe(await shop.customer(), await shop.plan())
    await shop.act(lambda tx: invoicing.void(tx, refs=[answer.invoice.ref], now=shop.now))
    await shop.drain()
    ended = await shop.act(lambda tx: subscriptions.one(tx, ref=answer.subscription.ref))
    assert ended.status == "expired"
