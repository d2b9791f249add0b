"""What waits for its payment by link, and what becomes of it when its subscription stops meanwhile."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Billing, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.support.builders.orders import a_shop, asked, days, says_yes

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


async def a_waiting_upgrade(shop, subscription):
    better = await shop.plan(amount=3000, is_add_on=subscription.parent_id is not None)
    wish = orders.Wish(plan=better.code, when=When.NOW)
    answer = await shop.act(
        lambda tx: orders.change(tx, subscription_id=subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    assert answer.payment_link
    return answer


async def with_add_on(shop):
    customer = await shop.customer(time_zone="UTC")
    parent = await shop.subscribe(customer, await shop.plan(amount=0))
    beside = orders.Beside(parent_id=parent.subscription.id)
    added = await shop.subscribe(customer, await shop.plan(amount=0, is_add_on=True), beside=beside)
    return parent.subscription, added.subscription


async def standing(shop, answer):
    order = await shop.act(lambda tx: orders.one(tx, order_id=answer.order.id))
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=answer.invoice.id))
    return order.status, invoice.status


@pytest.mark.parametrize(
    ("verb", "how"),
    [
        (orders.cancel, {"when": When.PERIOD_END}),
        (orders.cancel, {"at": NOW + days(10)}),
        (orders.pause, {"when": When.PERIOD_END}),
        (orders.pause, {"when": When.NOW}),
        (orders.auto_renew, {"is_on": False}),
    ],
)
async def test_a_change_of_an_add_on_is_taken_back_when_its_parent_is_to_stop(shop, verb, how):
    parent, add_on = await with_add_on(shop)
    answer = await a_waiting_upgrade(shop, add_on)
    await shop.act(lambda tx: verb(tx, subscription_id=parent.id, now=shop.now, **how))
    assert await standing(shop, answer) == ("canceled", "void")


@pytest.mark.parametrize("then", ["nothing", "end", "change"])
async def test_a_change_of_which_staff_gave_a_part_back_is_given_up_as_any_other(shop, then):
    customer = await shop.customer(time_zone="UTC")
    first = await shop.subscribe(customer, await shop.plan(amount=1000))
    await shop.pays_by_link(first)
    answer = await a_waiting_upgrade(shop, first.subscription)
    part = invoicing.Correction(reason="A welcome", amount_minor=500)
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=answer.invoice.id, correction=part, now=shop.now))
    await shop.drain()
    said = {"subscription_id": first.subscription.id, "now": shop.now}
    if then == "end":
        await shop.act(lambda tx: orders.cancel(tx, when=When.NOW, unused=Unused.CREDIT, **said))
    elif then == "change":
        wish = orders.Wish(plan=(await shop.plan(amount=1000)).code, when=When.NOW)
        await shop.act(lambda tx: orders.change(tx, wish=wish, asked=asked(), **said))
    await shop.drain()
    await shop.advance(NOW + days(8))
    assert await standing(shop, answer) == ("canceled", "paid")
    made = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), customer_id=customer.id))).items
    assert sum(each.total.minor for each in made) == (0 if then == "end" else 1000)
    assert [each.due.minor for each in made if each.status == "open"] == []


@pytest.mark.parametrize("before", [0, 1000])
@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_change_that_was_credited_and_never_was_is_charged_when_it_is_asked_for_again(shop, before, is_whole):
    customer = await shop.customer(time_zone="UTC")
    first = await shop.subscribe(customer, await shop.plan(amount=before))
    if before:
        await shop.pays_by_link(first)
    answer = await a_waiting_upgrade(shop, first.subscription)
    note = invoicing.Correction(reason="A welcome", amount_minor=None if is_whole else 500)
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=answer.invoice.id, correction=note, now=shop.now))
    await shop.drain()
    await shop.advance(NOW + days(8))
    assert await standing(shop, answer) == ("canceled", "paid")
    wish = orders.Wish(plan=answer.order.pending_terms.plan_code, when=When.NOW)
    said = {"subscription_id": first.subscription.id, "wish": wish, "asked": asked(), "now": shop.now}
    again = await shop.act(lambda tx: orders.change(tx, **said))
    # 22 of 30 days are left.
    assert again.invoice.total.minor == 2200 - round(before * 22 / 30)


@pytest.mark.parametrize("is_canceled", [True, False])
async def test_what_never_began_ends_though_staff_gave_a_part_of_its_first_bill_back(shop, is_canceled):
    first = await shop.subscribe(await shop.customer(), await shop.plan(amount=1000))
    part = invoicing.Correction(reason="A welcome", amount_minor=500)
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=first.invoice.id, correction=part, now=shop.now))
    ref = first.subscription.ref
    if is_canceled:
        await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, now=shop.now))
    await shop.drain()
    await shop.advance(NOW + days(8))
    assert (await shop.act(lambda tx: subscriptions.one(tx, ref=ref))).status == "expired"
    assert await standing(shop, first) == ("canceled", "paid")
    made = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery()))).items
    assert sum(each.total.minor for each in made) == 0


async def test_credit_that_had_paid_a_part_of_what_is_given_up_is_credit_again_and_no_money(shop):
    customer = await shop.customer(time_zone="UTC")
    low, high = [await shop.plan(amount=each, billing=Billing(unused_on_cancel=Unused.REFUND)) for each in (1000, 3000)]
    first = await shop.subscribe(customer, low)
    await shop.pays_by_link(first)
    gift = {"customer_id": customer.id, "amount": Money(400, "EUR"), "reason": "Sorry"}
    await shop.act(lambda tx: invoicing.grant_credit(tx, **gift, now=shop.now))
    wish, said = orders.Wish(plan=high.code, when=When.NOW), {"subscription_id": first.subscription.id, "now": shop.now}
    answer = await shop.act(lambda tx: orders.change(tx, wish=wish, asked=asked(), **said))
    part = invoicing.Correction(reason="A welcome", amount_minor=500)
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=answer.invoice.id, correction=part, now=shop.now))
    await shop.drain()
    await shop.advance(NOW + days(8))
    assert await standing(shop, answer) == ("canceled", "paid")
    assert (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))).items == []
    assert (await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id)))["EUR"].minor == 400


async def test_a_change_of_what_is_opted_out_of_is_taken_back(shop):
    customer = await shop.customer(time_zone="UTC")
    subscription = (await shop.subscribe(customer, await shop.plan(amount=0))).subscription
    answer = await a_waiting_upgrade(shop, subscription)
    await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=subscription.id, is_on=False, now=shop.now))
    assert await standing(shop, answer) == ("canceled", "void")


async def test_a_change_of_an_add_on_is_given_up_before_its_parent_stops_with_its_period(shop):
    parent, add_on = await with_add_on(shop)
    await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=parent.id, is_on=False, now=shop.now))
    await shop.advance(NOW + days(28))
    answer = await a_waiting_upgrade(shop, add_on)
    order = await shop.act(lambda tx: orders.one(tx, order_id=answer.order.id))
    assert order.abandon_at < parent.current_period.ends_at


async def test_what_waits_is_given_up_with_what_dunning_ends(shop):
    customer = await shop.customer(time_zone="UTC")
    subscription = (await shop.subscribe(customer, await shop.plan(amount=0))).subscription
    answer = await a_waiting_upgrade(shop, subscription)
    await shop.act(lambda tx: subscriptions.end(tx, refs=[subscription.ref], now=shop.now))
    await shop.drain()
    assert await standing(shop, answer) == ("canceled", "void")


async def test_who_pays_while_it_ends_has_the_money_back(shop):
    customer = await shop.customer(time_zone="UTC")
    subscription = (await shop.subscribe(customer, await shop.plan(amount=0))).subscription
    answer = await a_waiting_upgrade(shop, subscription)
    opened = await shop.opens(answer)
    await shop.comes_in(opened, says_yes(opened))
    await shop.act(lambda tx: subscriptions.end(tx, refs=[subscription.ref], now=shop.now))
    await shop.drain()
    assert await standing(shop, answer) == ("canceled", "paid")
    refunds = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery()))
    assert [each.amount.minor for each in refunds.items] == [3000]
    assert await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id)) == {
        "EUR": refunds.items[0].amount * 0
    }
