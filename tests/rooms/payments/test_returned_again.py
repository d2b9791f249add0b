"""What was captured too much or too late, and whose provider would not take it back: it is given back again, for some days."""

from datetime import timedelta

import pytest

from guilder.domain.gateways.model import DisputeStatus, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, RefundReason, RefundStatus, Status
from guilder.domain.payments.rules.returning import AGAIN_AFTER
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from tests.rooms.payments.test_disputes import news, tells
from tests.rooms.payments.test_links import said, void

FAILED, PENDING, SUCCEEDED = RefundStatus.FAILED, RefundStatus.PENDING, RefundStatus.SUCCEEDED


async def captured(till, payment, *before):
    yes = Outcome(kind=OutcomeKind.SUCCEEDED, amount=payment.amount, provider_ref="pi_late", charge_ref="ch_late")
    for outcome in (*before, yes):
        async with till.tx() as tx:
            await payments.record(tx, answers=[said(payment, RequestKind.CHARGE, outcome, till.now)], now=till.now)
    return await till.payment(payment)


async def an_overpayment(till):
    """Money that came in while its payment was being given up."""
    link = await till.open(await till.collect())
    await void(till, link)
    return await captured(till, link)


async def late_money(till):
    """Money that came in for a payment that was canceled."""
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    await void(till, payment)
    return await captured(till, payment, Outcome(kind=OutcomeKind.CANCELED, provider_ref="pi_late"))


async def returns(till, payment):
    async with till.tx() as tx:
        found = (await payments.refunds(tx, query=PageQuery(), payment_id=payment.id)).items
    return list(reversed(found))


async def is_refused(till, payment, code="balance_insufficient"):
    """Have the provider refuse the return that is on its way."""
    going = (await returns(till, payment))[-1]
    assert going.status is PENDING
    no = Outcome(kind=OutcomeKind.DECLINED, decline_code=code)
    async with till.tx() as tx:
        await payments.record_refunds(tx, answers=[said(going, RequestKind.REFUND, no, till.now)], now=till.now)


async def clock(till, after):
    till.clock.move_by(after)
    async with till.tx() as tx:
        rows = await tx.fetch("select tenant_id, id from payments.stale_due($1, $2, 10)", None, till.now)
        await payments.look_after(tx, refs=[Ref(*row) for row in rows], now=till.now)


@pytest.mark.parametrize(
    ("came_in", "alert", "parked"), [(an_overpayment, "return_failed", 1), (late_money, "paid_after_cancel", 2)]
)
async def test_it_is_given_back_again_after_days_and_then_left_to_a_person(till, came_in, alert, parked):
    payment = await came_in(till)
    for after in AGAIN_AFTER:
        await is_refused(till, payment)
        await clock(till, after - timedelta(seconds=1))
        assert (await returns(till, payment))[-1].status is FAILED
        await clock(till, timedelta(seconds=1))
    await is_refused(till, payment)
    await clock(till, timedelta(days=365))
    assert [(each.status, each.amount, each.is_overpayment) for each in await returns(till, payment)] == [
        (FAILED, payment.amount, True)
    ] * 4
    heard = await till.heard()
    assert (heard.count("payments.payment.overpaid"), heard.count("payments.payment.parked")) == (1, parked)
    assert (await till.payment(payment)).alert == alert


async def test_the_second_time_is_as_good_as_the_first(till):
    overpaid = await an_overpayment(till)
    await is_refused(till, overpaid)
    await clock(till, AGAIN_AFTER[0])
    again = (await returns(till, overpaid))[-1]
    assert again.reason_code is RefundReason.PAID_AFTER_CANCEL
    done = Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref="re_2", amount=again.amount)
    async with till.tx() as tx:
        await payments.record_refunds(tx, answers=[said(again, RequestKind.REFUND, done, till.now)], now=till.now)
    await clock(till, timedelta(days=30))
    assert [each.status for each in await returns(till, overpaid)] == [FAILED, SUCCEEDED]
    assert await till.balances() == {}


async def test_what_was_given_back_by_hand_meanwhile_is_not_given_back_again(till):
    overpaid = await an_overpayment(till)
    await is_refused(till, overpaid)
    async with till.tx() as tx:
        asked = NewRefund(payment_id=overpaid.id, reason="by hand", amount_minor=900)
        await payments.make_refund(tx, refund=asked, now=till.now)
    await clock(till, AGAIN_AFTER[0])
    assert [(each.status, each.amount.minor) for each in await returns(till, overpaid)] == [
        (FAILED, 4900),
        (PENDING, 900),
        (PENDING, 4000),
    ]


async def test_what_a_bank_holds_goes_back_when_the_dispute_is_won_and_never_when_it_is_lost(till):
    overpaid = await an_overpayment(till)
    await tells(till, overpaid, DisputeStatus.OPEN)
    await is_refused(till, overpaid, "charge_disputed")
    await clock(till, AGAIN_AFTER[0])
    assert [each.status for each in await returns(till, overpaid)] == [FAILED]
    await tells(till, overpaid, DisputeStatus.WON)
    assert [each.status for each in await returns(till, overpaid)] == [FAILED, PENDING]
    await is_refused(till, overpaid, "charge_disputed")
    await tells(till, overpaid, DisputeStatus.OPEN, DisputeStatus.LOST, name="dp_2")
    await clock(till, AGAIN_AFTER[1])
    assert [each.status for each in await returns(till, overpaid)] == [FAILED, FAILED]


@pytest.mark.parametrize(("decided", "receivable"), [(DisputeStatus.WON, -4900), (DisputeStatus.LOST, 0)])
async def test_what_its_invoice_could_not_take_while_a_bank_held_it_goes_back_when_it_is_free(
    till, decided, receivable
):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    no = Outcome(kind=OutcomeKind.DECLINED, decline_code="generic_decline", provider_ref="pi_late")
    async with till.tx() as tx:
        await payments.record(tx, answers=[said(payment, RequestKind.CHARGE, no, till.now)], now=till.now)
        early = news(till, payment, DisputeStatus.OPEN, charge_ref="ch_late", provider_ref="pi_late")
        await payments.record_disputes(tx, news=[early], now=till.now)
    after_all = await captured(till, payment)
    assert (after_all.status, after_all.disputed_minor) == (Status.SUCCEEDED, 4900)
    for _ in range(2):
        async with till.tx() as tx:
            await payments.return_payments(tx, refs=[payment.ref], now=till.now)
    assert (await till.payment(payment)).is_overpayment
    assert await returns(till, payment) == []
    await tells(till, after_all, decided)
    going = await returns(till, payment)
    assert [(each.status, each.amount.minor) for each in going] == ([(PENDING, 4900)] if receivable else [])
    assert (await till.balances()).get(("receivable", "EUR"), 0) == receivable
    assert ("write_offs", "EUR") not in await till.balances()
