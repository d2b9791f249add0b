"""Time that was refunded and is paid for anew, in whatever order entitlements hears of the two."""

import pytest

from guilder.domain.entitlements import handlers
from guilder.domain.invoicing.events import InvoicePaid
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import RefundSucceeded
from guilder.domain.payments.model import RefundReason
from guilder.kernel import ids
from guilder.kernel.page import PageQuery
from tests.rooms.entitlements.test_both_ways import standing
from tests.support.builders.orders import a_shop, asked, days


def refund_of(paid, *, at):
    return RefundSucceeded(
        tenant_id=paid.tenant_id,
        refund_id=ids.new(at),
        payment_id=paid.id,
        invoice_id=paid.invoice_id,
        customer_id=paid.customer_id,
        amount=paid.amount,
        reason_code=RefundReason.OTHER,
        ends_access=True,
        settled_at=at,
    )


@pytest.mark.parametrize("is_heard_late", [False, True])
async def test_what_is_paid_for_anew_is_had_in_whatever_order_it_is_heard(database, is_heard_late):
    shop = await a_shop(database)
    customer = await shop.customer()
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(amount=1000), payment_method_id=card.id)
    await shop.drain()
    assert (await standing(shop, customer)).is_eligible
    [paid] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    shop.now += days(5)
    refunded = refund_of(paid, at=shop.now)
    if not is_heard_late:
        shop.heard.append(refunded)
        assert not (await standing(shop, customer)).is_eligible
    shop.now += days(1)
    wish = orders.Wish(plan=(await shop.plan(amount=3000)).code, when=When.NOW)
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=answer.subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    if is_heard_late:
        assert (await standing(shop, customer)).is_eligible
        shop.heard.append(refunded)
    assert (await standing(shop, customer)).is_eligible


async def test_it_is_so_where_refunds_of_several_periods_are_heard_together(database):
    shop = await a_shop(database)
    customer = await shop.customer()
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(amount=1000), payment_method_id=card.id)
    await shop.drain()
    await shop.advance(shop.now + days(35))
    later, first = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    of_this_period = refund_of(later, at=shop.now)
    shop.now += days(1)
    wish = orders.Wish(plan=(await shop.plan(amount=3000)).code, when=When.NOW)
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=answer.subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    shop.now += days(1)
    assert (await standing(shop, customer)).is_eligible
    await shop.tell(handlers.on_refund_succeeded, [of_this_period, refund_of(first, at=shop.now)])
    assert (await standing(shop, customer)).is_eligible, "the rest of this period was paid for anew"


async def test_what_was_refunded_as_well_is_not_told_to_be_there_again(database):
    shop = await a_shop(database)
    customer = await shop.customer()
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(amount=1000), payment_method_id=card.id)
    await shop.drain()
    [first] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    shop.now += days(5)
    shop.heard.append(refund_of(first, at=shop.now))
    assert not (await standing(shop, customer)).is_eligible
    shop.now += days(1)
    wish = orders.Wish(plan=(await shop.plan(amount=3000)).code, when=When.NOW)
    await shop.act(
        lambda tx: orders.change(tx, subscription_id=answer.subscription.id, wish=wish, asked=asked(), now=shop.now)
    )
    await shop.drain()
    late = [each for each in shop.heard if isinstance(each, InvoicePaid)]
    shop.heard = [each for each in shop.heard if each not in late]
    [second, _] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    shop.now += days(1)
    shop.heard.append(refund_of(second, at=shop.now))
    assert not (await standing(shop, customer)).is_eligible
    await shop.tell(handlers.on_invoice_paid, late)
    assert [each.name for each in shop.heard] == []
    assert not (await standing(shop, customer)).is_eligible
