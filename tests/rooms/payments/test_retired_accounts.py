"""Accounts that are retired while money is on its way there: nothing new is charged, and nothing is left hanging."""

from datetime import timedelta

from guilder.domain.gateways import jobs as gateway_jobs
from guilder.domain.gateways import service as gateways
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import MethodStatus, NewRefund, RefundStatus, Status
from guilder.kernel.ids import Ref
from tests.rooms.payments.test_links import type_card, void


async def retire(till, other=None):
    """Move to another account, and retire the one that was charged with so far."""
    other = other or await till.another_account()
    async with till.tx() as tx:
        await gateways.make_default(tx, account_id=other.id)
        await gateways.retire(tx, account_id=till.account.id)
    return other


async def look_again(till):
    till.clock.move_by(timedelta(hours=1))
    async with till.tx() as tx:
        rows = await tx.fetch("select tenant_id, id from gateways.requests where check_due_at <= $1", till.now)
        await gateway_jobs.look_again(tx, [Ref(*row) for row in rows], now=till.now)
    await till.settle_in_time()


async def test_a_charge_without_an_answer_is_still_looked_up_there(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm", "times": 1})
    payment = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).status is Status.UNKNOWN
    await retire(till)
    await look_again(till)
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


async def test_its_webhooks_are_heard(till):
    payment = await till.open(await till.collect())
    await retire(till)
    type_card(payment.action_url)
    for event in till.events("payment_intent.succeeded"):
        await till.notify(event)
    await till.hear()
    assert (await till.payment(payment)).status is Status.SUCCEEDED


async def test_a_page_is_closed_there_when_its_invoice_is_void(till):
    payment = await till.open(await till.collect())
    await retire(till)
    await void(till, payment)
    await till.settle()
    assert (await till.payment(payment)).status is Status.CANCELED
    assert till.merchant.status(payment.provider_ref) == "canceled"


async def test_whoever_needs_a_new_page_pays_elsewhere_and_the_old_one_is_closed_first(till):
    link = await till.open(await till.collect())
    other = await retire(till)
    till.clock.move_by(timedelta(days=1))
    await till.open(link)
    assert (await till.payment(link)).status is Status.CANCELED
    assert till.merchant.status(link.provider_ref) == "canceled"
    anew = await till.open(await till.current(link.invoice_id))
    assert (anew.attempt, anew.account_id, anew.status) == (2, other.id, Status.REQUIRES_ACTION)
    assert anew.action_url


async def test_what_was_paid_there_is_given_back_there(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    await retire(till)
    async with till.tx() as tx:
        asked = NewRefund(payment_id=payment.id, reason="not used")
        made = await payments.make_refund(tx, refund=asked, now=till.now)
    await till.settle()
    async with till.tx() as tx:
        assert (await payments.refund(tx, refund_id=made.id)).status is RefundStatus.SUCCEEDED
    assert [each["amount"] for each in till.merchant.journal()["refunds"]] == [4900]


async def test_a_card_that_was_being_saved_there_is_decided_and_charged_no_more(till):
    other = await till.another_account()
    async with till.tx() as tx:
        asked = await payments.add_method(tx, customer_id=till.customer.id, token="pm_card_ok", now=till.now)
    await retire(till, other)
    await till.settle()
    [method] = await till.methods()
    assert (method.id, method.status) == (asked.id, MethodStatus.VALID)
    payment = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).decline_code == "no_payment_method"
    assert till.merchant.charged() == []


async def test_one_that_the_environment_names_stays_retired_when_processes_start_anew(till):
    said = {"gateway": "stripe", "name": "Stripe", "secret_key": "sk_test_one", "settings": {}, "provider_account": ""}
    async with till.tx() as tx:
        made = await gateways.connect_named(tx, now=till.now, **said)
        await gateways.retire(tx, account_id=made.id)
    async with till.tx() as tx:
        found = await gateways.connect_named(tx, now=till.now, **said)
    assert (found.id, found.is_active) == (made.id, False)
