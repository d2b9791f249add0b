"""Money for what was canceled: booked once and given back once, whatever its provider says of it afterwards."""

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
