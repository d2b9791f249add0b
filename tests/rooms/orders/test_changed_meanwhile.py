"""A change on its date, while another one still waits for its payment: that one was never in force."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Basis, Billing, NewPrice
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.orders import a_shop, asked, days, says_yes

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)


MONTH, YEAR = Interval(Unit.MONTH), Interval(Unit.YEAR)


@pytest.mark.parametrize(
    ("link", "basis", "interval", "price", "owed_and_back"),
    [
        ("paid", Basis.SECOND, MONTH, 2000, (0, 1200)),
        ("opened", Basis.SECOND, MONTH, 2000, (800, 0)),
        ("opened", Basis.SECOND, YEAR, 20000, (19200, 0)),
        ("left", Basis.SECOND, MONTH, 2000, (800, 0)),
        ("left", Basis.DAY_30, YEAR, 20000, (19200, 0)),
    ],
)
async def test_what_waits_for_its_payment_while_another_change_comes_costs_nothing(
    database, link, basis, interval, price, owed_and_back
):
    shop = await a_shop(database, now=NOW, time_zone="UTC")
    customer = await shop.customer(time_zone="UTC")
    billing = Billing(basis=basis)
    low, high = [await shop.plan(amount=amount, billing=billing) for amount in (1000, 3000)]
    other = NewPrice(interval=interval, unit_amount=Money(price, "EUR"), cycle="other")
    middle = await shop.plan(prices=(other,), billing=billing)
    first = await shop.subscribe(customer, low)
    await shop.pays_by_link(first)
    ref = first.subscription.ref
    planned = {"plan": middle.code, "billing_cycle": "other", "effective_at": NOW + days(6)}
    for wish in (planned, {"plan": high.code, "when": When.NOW}):
        said = {"subscription_id": ref.id, "wish": orders.Wish(**wish), "asked": asked(), "now": NOW}
        answer = await shop.act(lambda tx, said=said: orders.change(tx, **said))
        await shop.drain()
    payment = await shop.opens(answer) if link != "left" else None
    shop.now = NOW + days(6)  # it was to be void a minute before
    if payment and link == "paid":
        await shop.comes_in(payment, says_yes(payment))
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[ref], now=shop.now))
    await shop.drain()
    await shop.advance(shop.now)
    now = await shop.act(lambda tx: subscriptions.one(tx, ref=ref))
    assert now.terms.plan_code == middle.code
    [order] = [
        each
        for each in (await shop.act(lambda tx: orders.listing(tx, query=PageQuery()))).items
        if each.kind == "change"
    ]
    assert order.status == "canceled"
    made = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), customer_id=customer.id))).items
    # 2.00 for six days at 10.00; then 16.00 for the rest at 20.00, or a year.
    assert sum(each.total.minor for each in made) == 200 + (1600 if interval == MONTH else price)
    owed = sum(each.due.minor for each in made if each.status == "open")
    balance = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id))
    refunds = (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))).items
    back = sum(each.minor for each in balance.values()) + sum(each.amount.minor for each in refunds)
    assert (owed, back) == owed_and_back


@pytest.mark.parametrize(
    ("before", "price", "after", "left", "came_to"),
    [
        (MONTH, 1000, YEAR, 30, 200 + 20000),
        (YEAR, 12000, MONTH, 365, 200 + 20000),
        # 26 days before the end of the year 25 are left of it: 8.33 were given back, and 2.00 of that for six days not.
        (YEAR, 12000, MONTH, 26, 12000 - 833 + 200 + 20000),
        (YEAR, 12000, MONTH, 40, 12000 - 1367 + 200 + 20000),
    ],
)
async def test_so_does_one_to_another_interval_by_30_day_months(database, before, price, after, left, came_to):
    shop = await a_shop(database, now=NOW, time_zone="UTC")
    customer = await shop.customer(time_zone="UTC")

    async def plan(interval, amount):
        sold = NewPrice(interval=interval, unit_amount=Money(amount, "EUR"), cycle="own")
        return await shop.plan(prices=(sold,), billing=Billing(basis=Basis.DAY_30))

    first = await shop.subscribe(customer, await plan(before, price))
    await shop.pays_by_link(first)
    await shop.advance(first.subscription.current_period.ends_at - days(left))
    cut_off = shop.now + days(6)
    wished = {"effective_at": cut_off}, {"when": When.NOW}
    for amount, when in zip((20000, 30000), wished, strict=True):
        wish = orders.Wish(plan=(await plan(after, amount)).code, billing_cycle="own", **when)
        said = {"subscription_id": first.subscription.id, "wish": wish, "asked": asked(), "now": shop.now}
        await shop.act(lambda tx, said=said: orders.change(tx, **said))
        await shop.drain()
    shop.now = cut_off  # it was to be void a minute before
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[first.subscription.ref], now=shop.now))
    await shop.drain()
    await shop.advance(shop.now)
    made = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), customer_id=customer.id))).items
    # 2.00 for six days at 10.00 a month, or 120.00 a year.
    assert sum(each.total.minor for each in made) == came_to
