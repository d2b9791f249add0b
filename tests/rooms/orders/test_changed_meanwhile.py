"""A change on its date, while another one still waits for its payment: that one was never in force."""

from datetime import UTC, datetime

import pytest

from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.page import PageQuery
from tests.support.builders.orders import a_shop, asked, days, says_yes

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("is_paid", [True, False])
async def test_what_waits_for_its_payment_while_another_change_comes_costs_nothing(database, is_paid):
    shop = await a_shop(database, now=NOW, time_zone="UTC")
    customer = await shop.customer(time_zone="UTC")
    low, middle, high = [await shop.plan(amount=amount) for amount in (1000, 2000, 3000)]
    first = await shop.subscribe(customer, low)
    await shop.pays_by_link(first)
    ref = first.subscription.ref
    for wish in ({"plan": middle.code, "effective_at": NOW + days(6)}, {"plan": high.code, "when": When.NOW}):
        said = {"subscription_id": ref.id, "wish": orders.Wish(**wish), "asked": asked(), "now": NOW}
        answer = await shop.act(lambda tx, said=said: orders.change(tx, **said))
        await shop.drain()
    payment = await shop.opens(answer) if is_paid else None
    shop.now = NOW + days(6)  # it was to be void a minute before
    if payment:
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
    # 2.00 for six days at 10.00, 16.00 for the others at 20.00.
    assert sum(each.total.minor for each in made) == 1800
    owed = sum(each.due.minor for each in made if each.status == "open")
    balance = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id))
    refunds = (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))).items
    back = sum(each.minor for each in balance.values()) + sum(each.amount.minor for each in refunds)
    assert (owed, back) == ((0, 1200) if is_paid else (800, 0))
