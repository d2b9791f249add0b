from datetime import timedelta

import pytest

from guilder.domain.entitlements import handlers
from guilder.domain.entitlements import service as entitlements
from guilder.domain.entitlements.rules.standing import content_until
from guilder.domain.payments.events import RefundSucceeded
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids
from guilder.kernel.money import Money
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import an_order_completed, heard
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import an_open_invoice
from tests.support.builders.subscriptions import a_subscription

DAY = timedelta(days=1)


def refunded(ground, invoice_id, **over):
    said = {
        "tenant_id": ground.tenant_id,
        "refund_id": ids.new(NOW),
        "payment_id": ids.new(NOW),
        "invoice_id": invoice_id,
        "customer_id": ground.customer.id,
        "amount": Money(900, "EUR"),
        "ends_access": True,
        "settled_at": NOW,
    }
    return heard(RefundSucceeded(**{**said, **over}))


async def test_what_was_paid_for_may_be_used_until_its_time_is_over(ground):
    bought = an_order_completed(ground.customer, access_until=NOW + 30 * DAY)
    assert await ground.hear(handlers.on_order_completed, bought) == ["granted"]
    assert content_until(await ground.standing(code="film"), "film") == (True, NOW + 30 * DAY)
    assert content_until(await ground.standing(now=NOW + 30 * DAY), "film") == (False, None)


async def test_an_order_grants_once(ground):
    bought = an_order_completed(ground.customer)
    assert await ground.hear(handlers.on_order_completed, bought) == ["granted"]
    assert await ground.hear(handlers.on_order_completed, bought) == []
    assert len((await ground.standing()).grants) == 1


async def test_a_provider_whose_clock_is_ahead_keeps_nobody_waiting(ground):
    bought = an_order_completed(ground.customer, completed_at=NOW + timedelta(minutes=5))
    await ground.hear(handlers.on_order_completed, bought)
    assert (await ground.standing()).is_eligible


async def test_an_order_of_no_product_grants_nothing(ground):
    order = an_order_completed(ground.customer, kind="subscribe", product_id=None, product_code="")
    assert await ground.hear(handlers.on_order_completed, order) == []
    assert not (await ground.standing()).is_eligible


@pytest.mark.parametrize("refund_first", [False, True])
async def test_a_refund_that_ends_access_ends_it_whatever_is_heard_first(ground, refund_first):
    bought = an_order_completed(ground.customer)
    told = [
        (handlers.on_order_completed, bought),
        (handlers.on_refund_succeeded, refunded(ground, bought.event.invoice_id)),
    ]
    for handler, message in reversed(told) if refund_first else told:
        await ground.hear(handler, message)
    found = await ground.standing()
    assert (found.is_eligible, found.reasons) == (False, ("refunded",))


async def test_a_refund_is_announced_once_and_of_its_own_product_only(ground):
    bought, other = an_order_completed(ground.customer), an_order_completed(ground.customer, product_code="book")
    await ground.hear(handlers.on_order_completed, bought, other)
    refund = refunded(ground, bought.event.invoice_id)
    assert await ground.hear(handlers.on_refund_succeeded, refund) == ["ended"]
    assert await ground.hear(handlers.on_refund_succeeded, refund) == []
    assert [grant.code for grant in (await ground.standing()).grants] == ["book"]


async def test_a_second_refund_of_one_thing_ends_nothing_more(ground):
    bought = an_order_completed(ground.customer)
    await ground.hear(handlers.on_order_completed, bought)
    for ended in (["ended"], []):
        half = refunded(ground, bought.event.invoice_id, amount=Money(400, "EUR"))
        assert await ground.hear(handlers.on_refund_succeeded, half) == ended


async def test_a_refund_out_of_goodwill_takes_nothing(ground):
    bought = an_order_completed(ground.customer)
    await ground.hear(handlers.on_order_completed, bought)
    await ground.hear(handlers.on_refund_succeeded, refunded(ground, bought.event.invoice_id, ends_access=False))
    assert (await ground.standing()).is_eligible


async def test_a_refunded_period_is_closed_and_the_next_one_is_open(ground):
    async with ground.tx() as tx:
        subscription = await a_subscription(tx, ground.customer, await a_plan(tx), is_active=True)
        invoice = await an_open_invoice(tx, ground.customer, subscription)
        await entitlements.follow(tx, refs=[subscription.ref], now=NOW)
    assert (await ground.standing()).is_eligible
    refund = refunded(ground, invoice.id)
    assert await ground.hear(handlers.on_refund_succeeded, refund) == ["ended"]
    assert await ground.hear(handlers.on_refund_succeeded, refund) == []
    assert (await ground.standing()).reasons == ("refunded",)
    end = subscription.current_period.ends_at
    async with ground.tx() as tx:
        await subscriptions.roll_due(tx, refs=[subscription.ref], now=end)
        await entitlements.follow(tx, refs=[subscription.ref], now=end)
    assert (await ground.standing(now=end)).is_eligible
