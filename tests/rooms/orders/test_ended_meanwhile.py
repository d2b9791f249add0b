"""Money that was on its way for a change when its subscription ended on a date, and gave back what it had not used."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Billing, Unused
from guilder.domain.gateways.model import RequestKind
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer
from tests.rooms.orders.test_waiting import standing
from tests.support.builders.orders import BASE_URL, a_shop, asked, days, says_yes

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


async def opened(shop, answer):
    checkout = orders.open_checkout
    made = await shop.act(
        lambda tx: checkout(tx, invoice_id=answer.invoice.id, return_url=f"{BASE_URL}/back", now=shop.now)
    )
    await shop.drain()
    return made


async def test_who_pays_while_it_ends_has_nothing_back_that_the_end_gave_back(shop):
    customer = await shop.customer(time_zone="UTC")
    plans = [await shop.plan(amount=amount, billing=Billing(unused_on_cancel=Unused.CREDIT)) for amount in (1000, 3000)]
    first = await shop.subscribe(customer, plans[0])
    await shop.pays_by_link(first)
    subscription = first.subscription
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=subscription.id, at=NOW + days(3), now=shop.now))
    wish = orders.Wish(plan=plans[1].code, when=When.NOW)
    answer = await shop.act(
        lambda tx: orders.change(tx, subscription_id=subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    payment = await opened(shop, answer)
    assert answer.invoice.total.minor == 2000
    shop.now = NOW + days(3)
    paid = Answer(
        tenant_id=payment.tenant_id,
        business_key=payment.business_key,
        kind=RequestKind.CHARGE,
        outcome=says_yes(payment),
        at=shop.now,
    )
    await shop.act(lambda tx: payments.record(tx, answers=[paid], now=shop.now))
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[subscription.ref], now=shop.now))
    await shop.drain()
    assert await standing(shop, answer) == ("canceled", "paid")
    balance = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=customer.id))
    # The end gave 27.00 back of the 30.00 that came in, which is more than the 20.00 that the change came to.
    assert balance["EUR"].minor == 2700
