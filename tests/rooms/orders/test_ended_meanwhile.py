"""Ends that the clock brings: what was on its way for a change then, and what several tenants have back."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Basis, Billing, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Settled
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.kernel.page import PageQuery
from tests.rooms.orders.test_waiting import standing
from tests.support.builders.orders import a_shop, asked, days, says_yes

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


@pytest.mark.parametrize(
    ("basis", "asked_on", "total", "day", "by_end", "fair"),
    [
        (Basis.SECOND, 0, 2000, 3, 2700, 2900),
        (Basis.SECOND, 0, 2000, 25, 500, 2167),
        (Basis.DAY_30, 10, 1333, 15, 1500, 1833),
        (Basis.DIFFERENCE, 10, 2000, 15, 1500, 2500),
    ],
)
async def test_who_pays_while_it_ends_has_back_what_the_change_came_to_of_the_time_before(
    shop, basis, asked_on, total, day, by_end, fair
):
    answer = await change_before_an_end(shop, basis=basis, asked_on=asked_on, day=day)
    payment = await shop.opens(answer)
    assert answer.invoice.total.minor == total
    shop.now = NOW + days(day)
    await shop.comes_in(payment, says_yes(payment))
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[answer.subscription.ref], now=shop.now))
    await shop.drain()
    assert await standing(shop, answer) == ("canceled", "paid")
    # 10.00 by the month are used until the end: of what came in for the change, and of what was paid before.
    assert await notes(shop) == [by_end, fair - by_end]
    refunds = (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))).items
    assert await credit(shop, answer) + sum(each.amount.minor for each in refunds) == fair


@pytest.mark.parametrize(("day", "by_end", "rest"), [(3, 2700, 200), (25, 500, 1667)])
async def test_what_nobody_has_paid_for_when_it_ends_costs_nothing_though_the_clock_is_late(shop, day, by_end, rest):
    answer = await change_before_an_end(shop, basis=Basis.SECOND, asked_on=0, day=day)
    shop.now = NOW + days(day)  # it was to be void a minute before
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[answer.subscription.ref], now=shop.now))
    await shop.drain()
    assert await standing(shop, answer) == ("canceled", "paid")
    assert await notes(shop) == [by_end, rest]
    assert await credit(shop, answer) == round(1000 * (30 - day) / 30), (
        "10.00 by the month, as if it was never asked for"
    )


async def change_before_an_end(shop, *, basis, asked_on, day):
    """From 10.00 to 30.00 by link, of what is to end on a day."""
    customer = await shop.customer(time_zone="UTC")
    billing = Billing(unused_on_cancel=Unused.CREDIT, basis=basis)
    plans = [await shop.plan(amount=amount, billing=billing) for amount in (1000, 3000)]
    first = await shop.subscribe(customer, plans[0])
    await shop.pays_by_link(first)
    subscription = first.subscription
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=subscription.id, at=NOW + days(day), now=shop.now))
    shop.now = NOW + days(asked_on)
    wish = orders.Wish(plan=plans[1].code, when=When.NOW)
    answer = await shop.act(
        lambda tx: orders.change(tx, subscription_id=subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    return answer


async def notes(shop):
    made = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery()))).items
    return [-each.total.minor for each in reversed(made) if each.total.minor < 0]


async def credit(shop, answer):
    customer_id = answer.subscription.customer_id
    return (await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer_id)))["EUR"].minor


async def test_the_ends_of_several_tenants_are_refunded_in_one_batch(database):
    shops = [await a_shop(database, now=NOW, time_zone="UTC") for _ in range(2)]
    refs = []
    for shop in shops:
        customer = await shop.customer(time_zone="UTC")
        card = await shop.card(customer)
        plan = await shop.plan(amount=3000, billing=Billing(unused_on_cancel=Unused.REFUND))
        made = (await shop.subscribe(customer, plan, payment_method_id=card.id)).subscription
        await shop.act(lambda tx, ended=made.id: orders.cancel(tx, subscription_id=ended, at=NOW + days(10), now=NOW))
        refs.append(made.ref)
    at = NOW + days(10)
    async with database.transaction({ref.tenant_id for ref in refs}, actor="scheduler") as tx:
        await invoicing.bill_due(tx, refs=refs, now=at)
        assert tx.tenants == {ref.tenant_id for ref in refs}
    for shop in shops:
        refunds = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))
        assert [each.amount.minor for each in refunds.items] == [2000]


async def test_what_comes_too_late_for_changes_of_several_tenants_goes_back_in_one_batch(database):
    shops = [await a_shop(database, now=NOW, time_zone="UTC") for _ in range(2)]
    settled = []
    for shop in shops:
        customer = await shop.customer(time_zone="UTC")
        made = (await shop.subscribe(customer, await shop.plan(amount=0))).subscription
        shop.now = NOW + days(15)
        wish = orders.Wish(plan=(await shop.plan(amount=3000)).code, when=When.NOW)
        answer = await shop.act(
            lambda tx, ref=made, wish=wish: orders.change(
                tx, subscription_id=ref.id, wish=wish, asked=asked(), now=NOW + days(15)
            )
        )
        await shop.drain()
        payment = await shop.opens(answer)
        shop.now = NOW + days(30)
        await shop.act(lambda tx, ref=made.ref: invoicing.bill_due(tx, refs=[ref], now=NOW + days(30)))
        await shop.comes_in(payment, says_yes(payment))
        settled.append(
            Settled(
                tenant_id=payment.tenant_id, invoice_id=answer.invoice.id, payment_id=payment.id, settled_at=shop.now
            )
        )
    async with database.transaction({each.tenant_id for each in settled}, actor="worker") as tx:
        await invoicing.settle(tx, settled=settled, now=NOW + days(30))
        await orders.paid(tx, invoices={each.invoice_ref: each.settled_at for each in settled}, now=NOW + days(30))
    for shop in shops:
        refunds = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))
        assert [each.amount.minor for each in refunds.items] == [1500]
