"""Buying once, paying an amount, paying again."""

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import NewProduct
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.events import OrderCompleted
from guilder.domain.orders.model import Recurring
from guilder.domain.orders.rules.terms import AmountTooLarge
from guilder.kernel.errors import NotFound
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.orders import asked, days, says_no
from tests.support.builders.orders import says_yes as yes


async def a_film(shop, access_days=30):
    film = NewProduct(code="film", name="A Film", description="", prices=(Money(499, "EUR"),), access_days=access_days)
    return await shop.act(lambda tx: catalog.create_product(tx, product=film, now=shop.now))


async def buy(shop, buyer, **over):
    said = {"customer": buyer.organization_id, "product": "film", "asked": asked(), "now": shop.now}
    answer = await shop.act(lambda tx: orders.buy(tx, **{**said, **over}))
    await shop.drain()
    return answer


async def pay(shop, customer, **over):
    said = {"customer": customer.organization_id, "amount": Money(1200, "EUR"), "description": "Advice"}
    answer = await shop.act(lambda tx: orders.pay(tx, **{**said, "asked": asked(), "now": shop.now, **over}))
    await shop.drain()
    return answer


async def test_content_is_granted_for_its_time_from_the_payment_on(shop):
    await a_film(shop)
    answer = await buy(shop, await shop.customer())
    shop.now += days(2)
    await shop.pays_by_link(answer)
    [done] = [event for event in shop.heard if isinstance(event, OrderCompleted)]
    assert (done.product_code, done.access_until) == ("film", shop.now + days(30))
    assert done.completed_at == shop.now


async def test_content_without_an_end_is_granted_for_ever(shop):
    await a_film(shop, access_days=None)
    await shop.pays_by_link(await buy(shop, await shop.customer()))
    [done] = [event for event in shop.heard if isinstance(event, OrderCompleted)]
    assert done.access_until is None


@pytest.mark.parametrize(("amount", "is_had"), [(None, False), (498, True)])
async def test_what_credit_notes_took_back_is_not_had_though_credit_had_paid_a_part(shop, amount, is_had):
    await a_film(shop)
    customer = await shop.customer()
    gift = {"customer_id": customer.id, "amount": Money(200, "EUR"), "reason": "a gift", "now": shop.now}
    await shop.act(lambda tx: invoicing.grant_credit(tx, **gift))
    invoice_id = (await buy(shop, customer)).invoice.id
    said = invoicing.Correction(reason="by mistake", amount_minor=amount)
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=invoice_id, correction=said, now=shop.now))
    await shop.drain()
    assert any(isinstance(event, OrderCompleted) for event in shop.heard) is is_had
    [order] = (await shop.act(lambda tx: orders.listing(tx, query=PageQuery()))).items
    assert order.status == ("completed" if is_had else "canceled")


async def test_a_saved_card_is_charged_only_when_it_is_named(shop):
    await a_film(shop)
    customer = await shop.customer()
    card = await shop.card(customer)
    by_link = await buy(shop, customer)
    assert shop.charged_at == []
    assert by_link.payment.via == "link"
    await buy(shop, customer, payment_method_id=card.id)
    assert shop.charged_at == [shop.now]


async def test_an_unknown_product_or_customer_is_named(shop):
    await a_film(shop)
    customer = await shop.customer()
    with pytest.raises(NotFound) as refused:
        await buy(shop, customer, product="book")
    assert refused.value.field == "product"
    with pytest.raises(NotFound) as refused:
        await buy(shop, customer, customer="nobody")
    assert refused.value.field == "customer"


async def test_an_amount_that_cannot_be_is_refused(shop):
    customer = await shop.customer()
    with pytest.raises(AmountTooLarge):
        await pay(shop, customer, amount=Money(10**18, "EUR"))


async def test_a_recurring_amount_is_a_subscription_to_a_plan_that_is_not_on_sale(shop):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    weekly = Recurring(interval=Interval(Unit.WEEK, 2), name="Cleaning")
    await pay(shop, customer, recurring=weekly, payment_method_id=card.id)
    started = shop.now
    await shop.advance(started + days(28))
    assert shop.charged_at == [started + days(count) for count in (0, 14, 28)]
    on_sale = await shop.act(lambda tx: catalog.plans(tx, query=PageQuery()))
    assert on_sale.items == []


async def test_an_order_is_paid_once_however_often_its_invoice_is_said_to_be(shop):
    await a_film(shop)
    answer = await buy(shop, await shop.customer())
    await shop.pays_by_link(answer)
    for _ in range(3):
        await shop.act(lambda tx: orders.paid(tx, invoices={answer.invoice.ref: shop.now + days(9)}, now=shop.now))
    assert shop.names().count(OrderCompleted.name) == 1


async def repay(shop, invoice, **over):
    said = {"invoice": invoice.id, "payment_method_id": None, "base_url": "https://b.example", "now": shop.now}
    answer = await shop.act(lambda tx: orders.repay(tx, **{**said, **over}))
    await shop.drain()
    return answer


async def test_a_declined_payment_is_made_again_with_another_card(shop):
    customer = await shop.customer()
    card, other = await shop.card(customer), await shop.card(customer, last4="1881")
    shop.bank = says_no
    declined = await pay(shop, customer, payment_method_id=card.id)
    shop.bank = lambda payment: says_no(payment) if payment.payment_method_id == card.id else yes(payment)
    await repay(shop, declined.invoice, payment_method_id=other.id)
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=declined.invoice.id))
    assert invoice.status == "paid"


async def test_without_a_card_repaying_answers_with_a_link_and_charges_nothing(shop):
    customer = await shop.customer()
    card = await shop.card(customer)
    shop.bank = says_no
    declined = await pay(shop, customer, payment_method_id=card.id)
    charged = len(shop.charged_at)
    answer = await repay(shop, declined.invoice)
    assert answer.payment_link.startswith("https://b.example/checkout/")
    assert len(shop.charged_at) == charged
    await shop.pays_by_link(declined)
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=declined.invoice.id))
    assert invoice.status == "paid"


async def test_what_is_paid_is_not_paid_again(shop):
    customer = await shop.customer()
    card = await shop.card(customer)
    answer = await pay(shop, customer, payment_method_id=card.id)
    with pytest.raises(orders.NothingToPay):
        await repay(shop, answer.invoice, payment_method_id=card.id)
    assert len(shop.charged_at) == 1


async def test_anothers_invoice_is_nobodys(shop):
    answer = await pay(shop, await shop.customer())
    stranger = await shop.customer()
    with pytest.raises(NotFound):
        await repay(shop, answer.invoice, only=stranger.id)
