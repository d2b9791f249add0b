"""A refund that is heard of before what it took back: nobody is told of access that is not there."""

from guilder.domain.payments import service as payments
from guilder.domain.subscriptions.events import SubscriptionEvent
from guilder.kernel.page import PageQuery
from tests.rooms.entitlements.test_both_ways import standing
from tests.rooms.entitlements.test_paid_again import refund_of
from tests.support.builders.orders import a_shop, days


async def test_access_that_was_refunded_before_it_is_heard_of_is_not_told_to_be_granted(database):
    shop = await a_shop(database)
    customer = await shop.customer()
    card = await shop.card(customer)
    await shop.subscribe(customer, await shop.plan(amount=1000), payment_method_id=card.id)
    await shop.drain()
    late = [each for each in shop.heard if isinstance(each, SubscriptionEvent)]
    assert late
    shop.heard = [each for each in shop.heard if each not in late]
    [paid] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    shop.now += days(1)
    shop.heard.append(refund_of(paid, at=shop.now))
    await standing(shop, customer)
    shop.heard = [*late]
    told = []
    tell = shop.tell

    async def tell_and_note(handler, events, **over):
        await tell(handler, events, **over)
        told.extend(each.name for each in shop.heard if each.name.startswith("entitlements."))

    shop.tell = tell_and_note
    assert not (await standing(shop, customer)).is_eligible
    assert told == []
