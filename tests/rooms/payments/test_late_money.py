"""Money for what was canceled: booked once and given back once, whatever its provider says of it afterwards."""

from datetime import timedelta

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.rooms.payments.test_links import said, void


async def test_what_is_told_with_another_amount_in_between_goes_back_once(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    await void(till, payment)
    about = {"provider_ref": "pi_late", "charge_ref": "ch_late"}
    yes = Outcome(kind=OutcomeKind.SUCCEEDED, amount=payment.amount, **about)
    other = Outcome(kind=OutcomeKind.SUCCEEDED, amount=Money(1, "EUR"), **about)
    for outcome in (Outcome(kind=OutcomeKind.CANCELED, **about), yes, other, yes):
        async with till.tx() as tx:
            await payments.record(tx, answers=[said(payment, RequestKind.CHARGE, outcome, till.now)], now=till.now)
    async with till.tx() as tx:
        [going] = (await payments.refunds(tx, query=PageQuery())).items
    assert going.amount == payment.amount
    assert (await till.payment(payment)).alert == "paid_after_cancel"
    assert (await till.heard()).count("payments.payment.overpaid") == 1


async def test_it_is_a_charge_of_the_day_on_which_it_came_in_as_its_return_is_a_refund(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    await void(till, payment)
    about, came = {"provider_ref": "pi_late", "charge_ref": "ch_late"}, till.now + timedelta(days=2)
    no = Outcome(kind=OutcomeKind.CANCELED, **about)
    yes = Outcome(kind=OutcomeKind.SUCCEEDED, amount=payment.amount, **about)
    async with till.tx() as tx:
        for outcome, at in ((no, till.now), (yes, came), (yes, came + timedelta(days=1))):
            await payments.record(tx, answers=[said(payment, RequestKind.CHARGE, outcome, at)], now=came)
        [going] = (await payments.refunds(tx, query=PageQuery())).items
        gone = Outcome(kind=OutcomeKind.SUCCEEDED, amount=going.amount, provider_ref="re_1")
        await payments.record_refunds(tx, answers=[said(going, RequestKind.REFUND, gone, came)], now=came)
        [day] = await payments.settlements(tx, since=came, until=came + timedelta(hours=1))
    assert (day.charges_here, day.refunds_here) == (1, 1)
    assert day.charged_here_minor == day.refunded_here_minor == payment.amount.minor
