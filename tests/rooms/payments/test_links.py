"""Paying by hand on the provider's page, and the two paths that must never both be taken."""

import asyncio
from itertools import permutations

import httpx
import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, NewRefund, Status, Via
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery


def type_card(url: str, number: str = "4242424242424242") -> httpx.Response:
    form = {"number": number, "expiry": "12 / 34", "cvc": "123", "name": "A. Customer"}
    return httpx.post(url, data=form, trust_env=False, timeout=60)


async def void(till, payment):
    async with till.tx() as tx:
        await payments.cancel(tx, invoices=[Ref(payment.tenant_id, payment.invoice_id)], now=till.now)


async def test_nothing_is_asked_of_a_provider_before_the_link_is_opened(till):
    payment = await till.collect()
    await till.settle()
    assert (payment.status, payment.via) == (Status.AWAITING_CUSTOMER, Via.LINK)
    assert "gateways.request.made" not in await till.heard()


async def test_paying_on_the_page_succeeds_and_keeps_the_card_as_the_default(till):
    payment = await till.open(await till.collect())
    assert payment.status is Status.REQUIRES_ACTION
    assert payment.action_url.startswith(till.provider.url)
    type_card(payment.action_url)
    for event in till.events():
        await till.notify(event)
    await till.settle()

    paid = await till.payment(payment)
    assert (paid.status, paid.brand, paid.last4) == (Status.SUCCEEDED, "visa", "4242")
    async with till.tx() as tx:
        [method] = await payments.methods(tx, customer_id=till.customer.id)
    assert (method.status, method.is_default, method.last4) == ("valid", True, "4242")
    assert (await till.heard()).count("payments.method.added") == 1

    renewal = await till.collect()
    await till.settle()
    assert (await till.payment(renewal)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900, 4900]


async def test_no_event_carries_the_cards_token(till):
    payment = await till.open(await till.collect())
    type_card(payment.action_url)
    for event in till.events():
        await till.notify(event)
    await till.settle()
    async with till.tx() as tx:
        rows = await tx.fetch("select payload::text as payload from platform.log")
    assert not [row["payload"] for row in rows if "pm_" in row["payload"].replace("pm_card", "")]


async def test_a_decline_on_the_page_does_not_end_the_payment(till):
    payment = await till.open(await till.collect())
    type_card(payment.action_url, "4000000000000002")
    for event in till.events():
        await till.notify(event)
    await till.settle()
    tried = await till.payment(payment)
    assert (tried.status, tried.decline_code) == (Status.REQUIRES_ACTION, "generic_decline")
    assert tried.action_url == payment.action_url
    assert "payments.payment.failed" not in await till.heard()
    type_card(payment.action_url)
    for event in till.events("payment_intent.succeeded"):
        await till.notify(event)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED


async def test_opening_twice_leads_to_the_same_object(till):
    payment = await till.open(await till.collect())
    again = await till.open(payment)
    assert (again.provider_ref, again.action_url) == (payment.provider_ref, payment.action_url)
    assert len(till.merchant.get("/v1/payment_intents").json()["data"]) == 1


async def test_a_page_that_grew_old_is_opened_anew_on_the_same_object(till):
    payment = await till.open(await till.collect())
    till.clock.move_to(till.now.replace(day=till.now.day + 1))
    again = await till.open(payment)
    assert again.provider_ref == payment.provider_ref
    assert again.status is Status.REQUIRES_ACTION
    assert again.action_url not in ("", payment.action_url)


async def test_a_saved_card_replaces_a_link_that_nobody_opened(till):
    payable = till.payable(via=Via.LINK)
    link = await till.collect(payable)
    await till.a_card()
    made = await till.collect(till.payable(invoice_id=payable.invoice_id, via=Via.SAVED))
    assert (await till.payment(link)).status is Status.CANCELED
    assert (made.attempt, made.status) == (2, Status.REQUESTED)


async def test_a_saved_card_is_charged_only_after_the_open_page_is_closed(till):
    payable = till.payable(via=Via.LINK)
    link = await till.open(await till.collect(payable))
    await till.a_card()
    waiting = await till.collect(till.payable(invoice_id=payable.invoice_id, via=Via.SAVED))
    assert (waiting.id, waiting.status) == (link.id, Status.CANCELING)
    assert till.merchant.charged() == []
    await till.settle()

    assert (await till.payment(link)).status is Status.CANCELED
    assert till.merchant.status(link.provider_ref) == "canceled"
    paid = await till.current(payable.invoice_id)
    assert (paid.attempt, paid.status) == (2, Status.SUCCEEDED)
    assert till.merchant.charged() == [4900]


async def test_of_two_paths_taken_at_once_one_charges(till):
    """The customer pays on the page in the moment in which the saved card is asked for."""
    payable = till.payable(via=Via.LINK)
    link = await till.open(await till.collect(payable))
    await till.a_card()
    await till.collect(till.payable(invoice_id=payable.invoice_id, via=Via.SAVED))
    type_card(link.action_url)
    await till.settle()
    paid = await till.current(payable.invoice_id)
    assert (paid.id, paid.status) == (link.id, Status.SUCCEEDED)
    assert till.merchant.charged() == [4900]
    assert not paid.is_overpayment


async def test_money_that_comes_in_for_a_voided_invoice_goes_back(till):
    link = await till.open(await till.collect())
    await void(till, link)
    type_card(link.action_url)
    await till.settle()
    paid = await till.payment(link)
    assert (paid.status, paid.is_overpayment, paid.refunded_minor) == (Status.SUCCEEDED, True, 4900)
    journal = till.merchant.journal()
    assert [refund["amount"] for refund in journal["refunds"]] == [4900]
    heard = await till.heard()
    assert heard.count("payments.payment.overpaid") == 1
    assert "payments.payment.succeeded" not in heard
    assert heard.count("payments.refund.succeeded") == 1
    assert await till.balances() == {}


async def test_an_overpayment_whose_return_failed_is_booked_as_one_when_it_is_given_back_by_hand(till):
    link = await till.open(await till.collect())
    await void(till, link)
    yes = Outcome(kind=OutcomeKind.SUCCEEDED, amount=link.amount, provider_ref=link.provider_ref)
    no = Outcome(kind=OutcomeKind.DECLINED, decline_code="try_later")
    async with till.tx() as tx:
        await payments.record(tx, answers=[said(link, RequestKind.CHARGE, yes, till.now)], now=till.now)
        failing = (await payments.refunds(tx, query=PageQuery(), payment_id=link.id)).items[0]
        await payments.record_refunds(tx, answers=[said(failing, RequestKind.REFUND, no, till.now)], now=till.now)
        again = await payments.make_refund(tx, refund=NewRefund(payment_id=link.id, reason="again"), now=till.now)
    assert (failing.is_overpayment, again.is_overpayment) == (True, True)


def said(about, kind, outcome, at):
    return Answer(tenant_id=about.tenant_id, business_key=about.business_key, kind=kind, outcome=outcome, at=at)


async def test_a_voided_invoice_is_not_charged_wherever_its_payment_stands(till):
    unopened = await till.collect()
    await void(till, unopened)
    assert (await till.payment(unopened)).status is Status.CANCELED
    opened = await till.open(await till.collect())
    await void(till, opened)
    await till.settle()
    assert (await till.payment(opened)).status is Status.CANCELED
    await till.a_card()
    requested = await till.collect()
    await void(till, requested)
    await till.settle()
    assert (await till.payment(requested)).status is Status.CANCELED
    asked = await till.collect()
    await till.hear()
    await void(till, asked)
    await till.settle()
    assert (await till.payment(asked)).status is Status.CANCELED
    assert till.merchant.charged() == []


async def test_a_notice_that_comes_before_the_answer_settles_once(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "hold", "op": "confirm", "phase": "after", "times": 1})
    payment = await till.collect()
    await till.hear()
    calling = asyncio.create_task(till.runner.drain())
    while not till.merchant.seen("held")["held"]:
        await asyncio.sleep(0.02)
    [event] = till.events("payment_intent.succeeded")
    await till.notify(event)
    await till.hear()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    till.merchant.sim("release", {})
    await calling
    await till.settle()
    heard = await till.heard()
    assert heard.count("payments.payment.succeeded") == 1
    assert till.merchant.charged() == [4900]
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}


async def test_a_notice_of_a_decline_waits_for_the_end_of_the_attempt(till):
    await till.a_card("pm_card_insufficient_funds")
    till.merchant.sim("faults", {"mode": "hold", "op": "cancel", "phase": "before", "times": 1})
    payment = await till.collect()
    await till.hear()
    calling = asyncio.create_task(till.runner.drain())
    while not till.merchant.seen("held")["held"]:
        await asyncio.sleep(0.02)
    [event] = till.events("payment_intent.payment_failed")
    await till.notify(event)
    await till.hear()
    assert (await till.payment(payment)).status is Status.REQUESTED
    till.merchant.sim("release", {})
    await calling
    for closed in till.events("payment_intent.canceled"):
        await till.notify(closed)
    await till.settle()
    assert (await till.payment(payment)).status is Status.DECLINED


async def test_fifty_copies_of_a_notice_have_one_effect(till):
    payment = await till.open(await till.collect())
    type_card(payment.action_url)
    [event] = till.events("payment_intent.succeeded")
    await asyncio.gather(*[till.notify(event) for _ in range(50)])
    await till.settle()
    heard = await till.heard()
    assert heard.count("gateways.notice.received") == 1
    assert heard.count("payments.payment.succeeded") == 1


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
async def test_in_whatever_order_four_notices_come_the_end_is_the_same(till, order):
    """requires_action, payment_failed, requires_action again, succeeded: one page, a refused challenge, then a yes."""
    payment = await till.open(await till.collect())
    type_card(payment.action_url, "4000002760003184")
    till.merchant.sim(f"intents/{payment.provider_ref}/authenticate", {"approve": False})
    type_card(payment.action_url, "4000002760003184")
    till.merchant.sim(f"intents/{payment.provider_ref}/authenticate", {"approve": True})
    script = till.events("payment_intent.requires_action", "payment_intent.payment_failed", "payment_intent.succeeded")
    assert len(script) == 4
    for place in order:
        await till.notify(script[place])
        await till.hear()
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert (await till.heard()).count("payments.payment.succeeded") == 1
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}


async def test_a_notice_of_another_amount_parks_the_payment(till):
    payment = await till.open(await till.collect())
    type_card(payment.action_url)
    [event] = till.events("payment_intent.succeeded")
    event["data"]["object"]["amount"] = 1
    await till.notify(event)
    await till.settle()
    parked = await till.payment(payment)
    assert (parked.status, parked.alert) == (Status.UNKNOWN, "amount_mismatch")
    heard = await till.heard()
    assert "payments.payment.succeeded" not in heard
    assert heard.count("payments.payment.parked") == 1
    assert await till.balances() == {}


async def test_a_page_paid_while_all_notices_are_lost_is_found_by_the_clock(till):
    payment = await till.open(await till.collect())
    type_card(payment.action_url)
    till.clock.move_to(till.now.replace(hour=till.now.hour + 1))
    async with till.database.transaction(actor="test") as tx:
        rows = await tx.fetch("select tenant_id, id from gateways.requests_due(null, $1, 100)", till.now)
    assert len(rows) == 1

    async with till.tx() as tx:
        await gateways.look_again(tx, refs=[Ref(*row) for row in rows], now=till.now)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
