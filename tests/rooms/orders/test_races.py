"""Two who change the same subscription at once: one after the other, each from what the other billed."""

import asyncio
from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Billing, Unused
from guilder.domain.customers import service as customers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Settled
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from tests.support.builders.orders import a_shop, asked, days, says_yes

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


async def a_subscriber(shop, *, amount=3000):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    return (await shop.subscribe(customer, await shop.plan(amount=amount), payment_method_id=card.id)).subscription


def change(shop, subscription, **wish):
    said = orders.Wish(**{"when": When.NOW, **wish})
    return shop.act(
        lambda tx: orders.change(tx, subscription_id=subscription.id, wish=said, asked=asked(), now=shop.now)
    )


async def lines(shop, subscription):
    query = PageQuery(limit=200)
    found = await shop.act(lambda tx: invoicing.listing(tx, query=query, subscription_id=subscription.id))
    return [line for each in reversed(found.items) for line in each.lines]


async def test_changes_at_once_are_made_one_after_the_other(shop):
    subscription = await a_subscriber(shop)
    plans = [await shop.plan(amount=amount) for amount in (5000, 7000, 9000, 11000, 2000)]
    await shop.advance(NOW + days(15))
    await asyncio.gather(*(change(shop, subscription, plan=plan.code) for plan in plans))
    after = await shop.act(lambda tx: subscriptions.one(tx, ref=subscription.ref))
    halves = [line.amount.minor for line in await lines(shop, subscription) if line.kind.value != "recurring"]
    # Whoever came last: what is left of it all is half of the old price given back, and half of the last one charged.
    assert len(halves) == 2 * len(plans)
    assert sum(halves) == after.terms.amount.minor // 2 - 1500
    charged, given_back = halves[1::2], [-amount for amount in halves[0::2]]
    assert given_back == [1500, *charged[:-1]]


async def test_more_seats_by_two_at_once_are_billed_once(shop):
    subscription = await a_subscriber(shop)
    await shop.advance(NOW + days(15))
    await asyncio.gather(*(change(shop, subscription, quantity=3) for _ in range(4)))
    assert [line.amount.minor for line in await lines(shop, subscription)] == [3000, -1500, 4500]


async def test_at_the_instant_of_renewal_the_period_is_billed_once_whoever_comes_first(shop):
    made = [await a_subscriber(shop) for _ in range(4)]
    better = await shop.plan(amount=9000)
    shop.now = MAY
    refs = [each.ref for each in made]
    await asyncio.gather(
        shop.act(lambda tx: invoicing.bill_due(tx, refs=refs, now=MAY)),
        *(change(shop, each, plan=better.code) for each in made),
    )
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=refs, now=MAY))
    for each in made:
        may = [line for line in await lines(shop, each) if line.period.starts_at == MAY]
        assert [line.amount.minor for line in may] == [3000, -3000, 9000]
        after = await shop.act(lambda tx, ref=each.ref: subscriptions.one(tx, ref=ref))
        assert (after.terms.amount.minor, after.current_period.starts_at) == (9000, MAY)


async def test_a_change_and_a_cancellation_at_once_give_back_what_was_billed_and_no_more(shop):
    subscription = await a_subscriber(shop)
    better = await shop.plan(amount=9000)
    await shop.advance(NOW + days(15))

    async def cancel():
        return await shop.act(
            lambda tx: orders.cancel(
                tx, subscription_id=subscription.id, when=When.NOW, unused=Unused.CREDIT, now=shop.now
            )
        )

    answers = await asyncio.gather(change(shop, subscription, plan=better.code), cancel(), return_exceptions=True)
    made = await lines(shop, subscription)
    # Canceled first, it cannot be changed any more; changed first, what the change charged is given back.
    assert not isinstance(answers[1], BaseException), answers[1]
    assert sum(line.amount.minor for line in made) == 1500


async def test_who_acts_while_the_clock_refunds_an_end_waits_for_it(shop):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    plan = await shop.plan(amount=3000, billing=Billing(unused_on_cancel=Unused.REFUND))
    ref = (await shop.subscribe(customer, plan, payment_method_id=card.id)).subscription.ref
    await shop.drain()
    at = NOW + days(15)
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, at=at, now=NOW))
    tenants = [shop.tenant.tenant_id]
    async with shop.database.transaction(tenants, actor="test") as tx:
        # As every verb begins: the customer first, and then the subscription.
        await customers.lock(tx, refs=[Ref(ref.tenant_id, customer.id)])
        billing = asyncio.create_task(shop.act(lambda other: invoicing.bill_due(other, refs=[ref], now=at)))
        await asyncio.wait([billing], timeout=2)
        ended = await subscriptions.lock(tx, ref=ref)
    await billing
    assert ended.ended_at == at
    refunds = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))
    assert [each.amount.minor for each in refunds.items] == [1500]


async def test_who_acts_while_what_was_paid_too_late_goes_back_waits_for_it(shop):
    customer = await shop.customer(time_zone="UTC")
    ref = (await shop.subscribe(customer, await shop.plan(amount=0))).subscription.ref
    at = NOW + days(3)
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, at=at, now=NOW))
    better = await shop.plan(amount=3000)
    wish = orders.Wish(plan=better.code, when=When.NOW)
    answer = await shop.act(lambda tx: orders.change(tx, subscription_id=ref.id, wish=wish, asked=asked(), now=NOW))
    await shop.drain()
    payment = await shop.opens(answer)
    shop.now = at
    await shop.comes_in(payment, says_yes(payment))
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[ref], now=at))
    paid = [Settled(tenant_id=ref.tenant_id, invoice_id=answer.invoice.id, payment_id=payment.id, settled_at=at)]
    await shop.act(lambda tx: invoicing.settle(tx, settled=paid, now=at))
    async with shop.database.transaction([ref.tenant_id], actor="test") as tx:
        await customers.lock(tx, refs=[Ref(ref.tenant_id, customer.id)])
        telling = asyncio.create_task(
            shop.act(lambda other: orders.paid(other, invoices={answer.invoice.ref: at}, now=at))
        )
        await asyncio.wait([telling], timeout=1)
        ended = await subscriptions.lock(tx, ref=ref)
    await telling
    assert ended.ended_at == at
    [order] = (await shop.act(lambda tx: orders.listing(tx, query=PageQuery(), subscription_id=ref.id))).items[:1]
    assert order.status == "canceled"
