"""Disputes: as the provider tells them, in whatever order, and whether we know of the payment yet or not."""

from datetime import timedelta

import asyncpg
import pytest

from guilder.domain.gateways.model import DisputeNews, DisputeStatus, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, DisputeTold, NewRefund, RefundReason, RefundStatus, Status
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref, new
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery

INQUIRY, OPEN, WON, LOST = DisputeStatus


@pytest.fixture
async def paid(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    return await till.payment(payment)


def news(till, payment, status, minor=4900, *, name="dp_1", **over):
    said = {"charge_ref": payment.charge_ref, "provider_ref": payment.provider_ref, **over}
    told = DisputeNews(dispute_ref=name, status=status, amount=Money(minor, "EUR"), **said)
    return DisputeTold(
        tenant_id=payment.tenant_id, account_id=till.account.id, gateway="simulated", news=told, at=till.now
    )


async def tells(till, payment, *statuses, **over):
    async with till.tx() as tx:
        told = [news(till, payment, status, **over) for status in statuses]
        await payments.record_disputes(tx, news=told, now=till.now)
    return await all_of(till)


async def all_of(till, **over):
    async with till.tx() as tx:
        return (await payments.disputes(tx, query=PageQuery(), **over)).items


async def refund(till, payment, amount=None):
    async with till.tx() as tx:
        asked = NewRefund(payment_id=payment.id, reason="not used", amount_minor=amount)
        return await payments.make_refund(tx, refund=asked, now=till.now)


async def test_the_providers_notices_open_and_lose_one(till, paid):
    made = till.merchant.sim("disputes", {"payment_intent": paid.provider_ref, "amount": 900, "reason": "duplicate"})
    for event in till.events("charge.dispute.created"):
        await till.notify(event)
        await till.notify(event)
    await till.settle()
    [opened] = await all_of(till)
    assert (opened.status, opened.amount.minor, opened.reason, opened.fee.minor) == (OPEN, 900, "duplicate", 1500)
    assert (opened.payment_id, opened.customer_id, opened.dispute_ref) == (paid.id, till.customer.id, made["id"])
    till.merchant.sim(f"disputes/{made['id']}", {"status": "lost"})
    for event in till.events("charge.dispute.closed", "charge.dispute.created"):
        await till.notify(event)
    await till.settle()
    assert [each.status for each in await all_of(till)] == [LOST]
    assert [name for name in await till.heard() if name.startswith("payments.dispute")] == [
        "payments.dispute.opened",
        "payments.dispute.lost",
    ]
    assert await till.balances() == {
        ("receivable", "EUR"): -4900,
        ("cash", "EUR"): 2500,
        ("write_offs", "EUR"): 900,
        ("fees", "EUR"): 1500,
    }


async def test_a_loss_that_comes_first_is_told_from_its_beginning(till, paid):
    await tells(till, paid, LOST, OPEN, WON)
    assert [name for name in await till.heard() if name.startswith("payments.dispute")] == [
        "payments.dispute.opened",
        "payments.dispute.lost",
    ]
    assert (await till.balances())[("write_offs", "EUR")] == 4900


async def test_what_was_won_before_we_heard_of_it_moves_nothing(till, paid):
    [dispute] = await tells(till, paid, WON)
    assert (dispute.status, dispute.opened_at) == (WON, None)
    assert await till.balances() == {("receivable", "EUR"): -4900, ("cash", "EUR"): 4900}


@pytest.mark.parametrize("known_by", ["charge_ref", "provider_ref"])
async def test_a_notice_before_our_own_commit_waits_for_the_payment(till, known_by):
    await till.a_card()
    payment = await till.collect()
    refs = {"charge_ref": "", "provider_ref": "", known_by: "what_is_to_come"}
    assert await tells(till, payment, OPEN, **refs) == []
    yes = Outcome(
        kind=OutcomeKind.SUCCEEDED,
        amount=payment.amount,
        charge_ref="what_is_to_come" if known_by == "charge_ref" else "ch_1",
        provider_ref="what_is_to_come" if known_by == "provider_ref" else "pi_1",
    )
    async with till.tx() as tx:
        await payments.start(tx, refs=[payment.ref], now=till.now)
        answer = Answer(
            tenant_id=payment.tenant_id,
            business_key=payment.business_key,
            kind=RequestKind.CHARGE,
            outcome=yes,
            at=till.now,
        )
        await payments.record(tx, answers=[answer], now=till.now)
    [dispute] = await all_of(till)
    assert (dispute.status, dispute.payment_id) == (OPEN, payment.id)
    assert (await till.balances())[("disputes", "EUR")] == 4900


async def waiting(till):
    async with till.tx() as tx:
        rows = await tx.fetch("select * from payments.dispute_news_due($1, 'infinity', 9)", till.tenant.tenant_id)
    return [(Ref(row["tenant_id"], row["id"]), row["due_at"]) for row in rows]


async def test_news_of_an_unknown_payment_is_looked_at_again_and_given_up_in_the_end(till, paid):
    strange = {"charge_ref": "ch_of_nobody", "provider_ref": "pi_of_nobody"}
    assert await tells(till, paid, OPEN, **strange) == []
    [(ref, due_at)] = await waiting(till)
    assert due_at == till.now + timedelta(minutes=1)
    async with till.tx() as tx:
        later = till.now + timedelta(days=1)
        assert await payments.look_for_disputed(tx, refs=[ref], now=later) == 0
    [(_, due_at)] = await waiting(till)
    assert due_at == later + timedelta(hours=6)
    async with till.tx() as tx:
        await payments.look_for_disputed(tx, refs=[ref], now=till.now + timedelta(days=8))
    assert await waiting(till) == []


async def test_what_the_clock_finds_is_recorded_once(till, paid):
    await tells(till, paid, OPEN, charge_ref="ch_late", provider_ref="")
    [(ref, _)] = await waiting(till)
    async with till.tx() as tx:
        await tx.execute("update payments.payments set charge_ref = 'ch_late' where id = $1", paid.id)
    for found in (1, 0):
        async with till.tx() as tx:
            assert await payments.look_for_disputed(tx, refs=[ref], now=till.now) == found
    assert [each.status for each in await all_of(till)] == [OPEN]


async def test_no_more_is_disputed_and_refunded_than_came_in(till, paid):
    await refund(till, paid, 1000)
    await till.settle()
    first, second = sorted(
        [*await tells(till, paid, OPEN, minor=3000), *(await tells(till, paid, OPEN, minor=3000, name="dp_2"))][-2:],
        key=lambda each: each.dispute_ref,
    )
    assert [(each.amount.minor, each.alert) for each in (first, second)] == [(3000, ""), (900, "amount_mismatch")]
    with pytest.raises(Conflict):
        await refund(till, paid, 1)
    await tells(till, paid, WON, minor=3000)
    assert (await till.payment(paid)).refundable.minor == 3000


async def test_what_is_lost_in_part_leaves_the_rest_to_be_refunded(till, paid):
    await tells(till, paid, OPEN)
    [dispute] = await tells(till, paid, LOST, minor=2000)
    assert (dispute.status, dispute.amount.minor, dispute.alert) == (LOST, 2000, "")
    held = {("receivable", "EUR"): -4900, ("write_offs", "EUR"): 2000, ("cash", "EUR"): 2900}
    assert await till.balances() == held
    assert (await till.payment(paid)).refundable.minor == (await refund(till, paid)).amount.minor == 2900


async def test_the_database_itself_refuses_more_and_any_way_back(till, paid):
    await tells(till, paid, OPEN, LOST, minor=4000)
    for wrong in (
        "update payments.disputes set status = 'won'",
        "update payments.disputes set amount_minor = 1",
        """insert into payments.disputes select tenant_id, gen_random_uuid(), payment_id, invoice_id, customer_id,
           account_id, gateway, 'dp_2', 901, currency, null, null, reason, status, alert, null, noticed_at, opened_at,
           decided_at from payments.disputes""",
        """insert into payments.refunds select tenant_id, gen_random_uuid(), id, invoice_id, customer_id, 901, currency,
           'pending', '', false, false, '', '', requested_at from payments.payments""",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            async with till.tx() as tx:
                await tx.execute(wrong)


async def test_staff_notes_and_nobody_else_sees_it(till, paid):
    [dispute] = await tells(till, paid, INQUIRY)
    assert await till.balances() == {("receivable", "EUR"): -4900, ("cash", "EUR"): 4900}
    async with till.tx() as tx:
        await payments.note_dispute(tx, dispute_id=dispute.id, text="Called them", author="staff:1", now=till.now)
        [note] = await payments.dispute_notes(tx, dispute_id=dispute.id)
        assert (note.text, note.author) == ("Called them", "staff:1")
        with pytest.raises(NotFound):
            await payments.dispute(tx, dispute_id=dispute.id, customer_id=CustomerId(new(till.now)))
    assert await all_of(till, status=OPEN) == []
    assert [each.id for each in await all_of(till, customer_id=till.customer.id, status=INQUIRY)] == [dispute.id]


async def test_money_for_what_was_canceled_is_booked_and_goes_back_by_itself(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    async with till.tx() as tx:
        no = Outcome(kind=OutcomeKind.CANCELED, provider_ref="pi_late")
        yes = Outcome(kind=OutcomeKind.SUCCEEDED, amount=payment.amount, provider_ref="pi_late", charge_ref="ch_late")
        await payments.cancel(tx, invoices=[payment.invoice_ref], now=till.now)
        for outcome in (no, yes, yes):
            answer = Answer(
                tenant_id=payment.tenant_id,
                business_key=payment.business_key,
                kind=RequestKind.CHARGE,
                outcome=outcome,
                at=till.now,
            )
            await payments.record(tx, answers=[answer], now=till.now)
        [going] = (await payments.refunds(tx, query=PageQuery())).items
        assert (going.amount, going.reason_code, going.is_overpayment) == (
            payment.amount,
            RefundReason.PAID_AFTER_CANCEL,
            True,
        )
        back = Answer(
            tenant_id=going.tenant_id,
            business_key=going.business_key,
            kind=RequestKind.REFUND,
            outcome=Outcome(kind=OutcomeKind.SUCCEEDED, amount=going.amount, provider_ref="re_1"),
            at=till.now,
        )
        await payments.record_refunds(tx, answers=[back], now=till.now)
        assert (await payments.refund(tx, refund_id=going.id)).status is RefundStatus.SUCCEEDED
    late = await till.payment(payment)
    assert (late.status, late.alert, late.charge_ref) == (Status.CANCELED, "paid_after_cancel", "ch_late")
    assert await till.balances() == {}
    heard = await till.heard()
    assert (heard.count("payments.payment.overpaid"), heard.count("payments.payment.succeeded")) == (1, 0)
