"""What happens below, and which words follow from it."""

from datetime import timedelta

import pytest

from guilder.domain.dunning.events import (
    AccessToBlock,
    CaseOpened,
    CaseRecovered,
    ReminderDue,
    RetriesExhausted,
    RetryPlanned,
)
from guilder.domain.entitlements import handlers as entitlement_handlers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import InvoicePaid
from guilder.domain.notifications import handlers
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentActionRequired, RefundSucceeded
from guilder.domain.payments.model import Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionActivated,
    SubscriptionCancelScheduled,
    SubscriptionEnded,
    TrialEnding,
)
from guilder.kernel import ids
from guilder.kernel.money import Money
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import about, heard, of_case
from tests.support.builders.gateways import a_gateway
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import an_open_invoice
from tests.support.builders.subscriptions import a_subscription

DAY = timedelta(days=1)
MAIL, SMS = "email", "sms"


@pytest.fixture
async def subscription(ground):
    async with ground.tx() as tx:
        return await a_subscription(tx, ground.customer, await a_plan(tx, name="Pro"), is_active=True)


@pytest.fixture
async def invoice(ground, subscription):
    async with ground.tx() as tx:
        return await an_open_invoice(tx, ground.customer, subscription)


def paid(invoice, **over):
    said = {
        "tenant_id": invoice.tenant_id,
        "invoice_id": invoice.id,
        "customer_id": invoice.customer_id,
        "subscription_id": invoice.subscription_id,
        "order_id": None,
        "number": invoice.number,
        "total": invoice.total,
        "paid_at": NOW,
    }
    return heard(InvoicePaid(**{**said, **over}))


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


async def test_a_payment_is_thanked_for_once_with_its_receipt(ground, invoice):
    message = paid(invoice)
    assert await ground.hear(handlers.on_invoice_paid, message, message) == [
        (MAIL, "payment_succeeded"),
        (SMS, "payment_succeeded"),
    ]
    assert await ground.hear(handlers.on_invoice_paid, message) == []
    await ground.receipts_go(invoice)
    [mail] = ground.inbox.mails
    assert mail["Subject"] == "Receipt from Northwind: €30.00"
    assert invoice.number in text_of(mail)
    assert "Mar 1, 2026" in text_of(mail)
    assert "https://billing.example.com/checkout/" in text_of(mail)


async def test_nobody_is_thanked_for_nothing(ground):
    async with ground.tx() as tx:
        free = await an_open_invoice(tx, ground.customer, amount=0)
    assert await ground.hear(handlers.on_invoice_paid, paid(free)) == []


async def test_a_subscription_is_welcomed_once(ground, subscription):
    period = subscription.current_period
    message = about(
        SubscriptionActivated,
        subscription,
        status="active",
        period_starts_at=period.starts_at,
        period_ends_at=period.ends_at,
    )
    assert await ground.hear(handlers.on_subscription_activated, message) == [(MAIL, "subscription_activated")]
    assert await ground.hear(handlers.on_subscription_activated, message) == []
    text = text_of(ground.inbox.mails[0])
    assert "Pro" in text
    assert "€30.00" in text
    assert "Apr 1, 2026" in text


async def test_each_failed_try_is_told_with_the_next_one(ground, invoice):
    case = ids.new(NOW)
    facts = {"case_id": case, "invoice_id": invoice.id, "subscription_id": invoice.subscription_id}
    opened = of_case(CaseOpened, ground.customer, **facts, decline_code="x", next_retry_at=NOW + DAY)
    planned = of_case(
        RetryPlanned, ground.customer, **facts, decline_code="x", retries_made=1, next_retry_at=NOW + 3 * DAY
    )
    both = [(MAIL, "payment_failed"), (SMS, "payment_failed")]
    assert await ground.hear(handlers.on_case_opened, opened, opened) == both
    assert await ground.hear(handlers.on_retry_planned, planned, planned) == both
    assert await ground.hear(handlers.on_case_opened, opened) == []
    assert ["Mar 2, 2026" in text_of(mail) for mail in ground.inbox.mails] == [True, False]
    assert ["Mar 4, 2026" in text_of(mail) for mail in ground.inbox.mails] == [False, True]


@pytest.mark.parametrize("had_a_card", [True, False])
async def test_a_card_that_is_added_and_fails_at_once_is_told_of_and_no_other_try_by_hand(ground, invoice, had_a_card):
    """A try with a new card uses up none of the planned ones: the next one stays where it was."""
    facts = {"case_id": ids.new(NOW), "invoice_id": invoice.id, "subscription_id": invoice.subscription_id}
    said = {"decline_code": "x", "next_retry_at": NOW + DAY}
    async with ground.tx() as tx:
        await a_gateway(tx)
        cards = [
            await payments.add_method(tx, customer_id=ground.customer.id, token=token, now=NOW)
            for token in ("pm_1", "pm_2")
        ]

    async def fails(card, kind, handler, **more):
        async with ground.tx() as tx:
            await payments.cancel(tx, invoices=[invoice.ref], now=NOW)
            await payments.collect(tx, payables=[invoicing.payable_of(invoice, via=Via.LINK)], now=NOW)
            current = (await payments.current(tx, invoices=[invoice.ref]))[invoice.ref]
            sql = "update payments.payments set payment_method_id = $2 where id = $1"
            await tx.execute(sql, current.id, card and card.id)
        return len(await ground.hear(handler, of_case(kind, ground.customer, **facts, **said, **more)))

    assert await fails(cards[0] if had_a_card else None, CaseOpened, handlers.on_case_opened) == 2
    assert await fails(cards[1], RetryPlanned, handlers.on_retry_planned, retries_made=0) == 2
    for card in (*cards[not had_a_card :], None):
        assert await fails(card, RetryPlanned, handlers.on_retry_planned, retries_made=0) == 0


async def test_nothing_is_said_while_another_card_is_tried_and_once_that_has_failed_too(ground, invoice):
    case = ids.new(NOW)
    facts = {"case_id": case, "invoice_id": invoice.id, "subscription_id": invoice.subscription_id}
    said = {"decline_code": "x", "next_retry_at": NOW + DAY}
    opened = of_case(CaseOpened, ground.customer, **facts, **said, is_tried_elsewhere=True)
    assert await ground.hear(handlers.on_case_opened, opened) == []
    planned = of_case(RetryPlanned, ground.customer, **facts, **said, retries_made=0)
    both = [(MAIL, "payment_failed"), (SMS, "payment_failed")]
    assert await ground.hear(handlers.on_retry_planned, planned, planned) == both


async def test_a_case_without_another_try_leaves_the_word_to_the_apology(ground, invoice):
    facts = {"invoice_id": invoice.id, "subscription_id": invoice.subscription_id, "decline_code": "stolen"}
    opened = of_case(CaseOpened, ground.customer, **facts, next_retry_at=None)
    assert await ground.hear(handlers.on_case_opened, opened) == []


async def test_reminders_are_counted_and_lead_to_the_payment_page(ground, invoice):
    case = ids.new(NOW)

    def reminder(number):
        due = {"amount_due": invoice.total, "reminder": number}
        return of_case(ReminderDue, ground.customer, case_id=case, invoice_id=invoice.id, **due)

    assert len(await ground.hear(handlers.on_reminder_due, reminder(1), reminder(1))) == 2
    assert len(await ground.hear(handlers.on_reminder_due, reminder(2))) == 2
    assert await ground.hear(handlers.on_reminder_due, reminder(1), reminder(2)) == []
    assert all("https://billing.example.com/checkout/" in text_of(mail) for mail in ground.inbox.mails)


async def test_giving_up_is_apologised_for_and_a_way_back_is_named(ground, invoice):
    facts = {"invoice_id": invoice.id, "subscription_id": invoice.subscription_id, "decline_code": "x"}
    exhausted = of_case(RetriesExhausted, ground.customer, **facts)
    assert await ground.hear(handlers.on_retries_exhausted, exhausted, exhausted) == [
        (MAIL, "apology"),
        (SMS, "apology"),
    ]
    text = text_of(ground.inbox.mails[0])
    assert "https://billing.example.com/checkout/" in text
    assert "Pro" in text


@pytest.mark.parametrize("by", ["apology", "block", "nothing"])
async def test_only_whose_access_was_gone_hears_that_it_is_back(ground, invoice, by):
    case = {"case_id": ids.new(NOW), "invoice_id": invoice.id, "subscription_id": invoice.subscription_id}
    if by == "apology":
        await ground.hear(
            handlers.on_retries_exhausted, of_case(RetriesExhausted, ground.customer, **case, decline_code="x")
        )
    if by == "block":
        to_block = of_case(AccessToBlock, ground.customer, **case, reason="unpaid")
        await ground.hear(entitlement_handlers.on_access_to_block, to_block)
    recovered = of_case(CaseRecovered, ground.customer, **case)
    told = await ground.hear(handlers.on_case_recovered, recovered, recovered)
    assert told == ([] if by == "nothing" else [(MAIL, "access_restored"), (SMS, "access_restored")])


async def test_opting_out_is_confirmed_and_the_end_that_follows_is_not_told_again(ground, subscription):
    async with ground.tx() as tx:
        opted_out = (await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=True, now=NOW)).after
    end = opted_out.current_period.ends_at
    scheduled = about(SubscriptionCancelScheduled, opted_out, ends_at=end)
    ended = about(SubscriptionEnded, opted_out, status="expired", ended_at=end)
    assert await ground.hear(handlers.on_subscription_cancel_scheduled, scheduled) == [(MAIL, "subscription_cancelled")]
    assert await ground.hear(handlers.on_subscription_ended, ended) == []
    assert "Apr 1, 2026" in text_of(ground.inbox.mails[0])


@pytest.mark.parametrize(("is_wished", "told"), [(True, [(MAIL, "subscription_cancelled")]), (False, [])])
async def test_an_end_is_confirmed_to_who_wished_it(ground, subscription, is_wished, told):
    async with ground.tx() as tx:
        if is_wished:
            await subscriptions.cancel(tx, ref=subscription.ref, at_period_end=False, now=NOW)
        else:
            await subscriptions.end(tx, refs=[subscription.ref], now=NOW)
    ended = about(SubscriptionEnded, subscription, status="canceled", ended_at=NOW)
    assert await ground.hear(handlers.on_subscription_ended, ended, ended) == told


async def test_a_trials_end_is_foretold_once_a_distance(ground):
    async with ground.tx() as tx:
        trial = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
    messages = [about(TrialEnding, trial, days_left=left, ends_at=trial.trial_ends_at) for left in (3, 3, 1)]
    assert await ground.hear(handlers.on_trial_ending, *messages) == [(MAIL, "trial_ending")] * 2
    text = text_of(ground.inbox.mails[0])
    assert "Mar 15, 2026" in text
    assert "please add a payment method" in text


async def test_a_refund_is_told_with_its_own_amount(ground, invoice):
    refund = RefundSucceeded(
        tenant_id=ground.tenant_id,
        refund_id=ids.new(NOW),
        payment_id=ids.new(NOW),
        invoice_id=invoice.id,
        customer_id=ground.customer.id,
        amount=Money(1250, "EUR"),
        ends_access=False,
        settled_at=NOW,
    )
    assert await ground.hear(handlers.on_refund_succeeded, heard(refund), heard(refund)) == [(MAIL, "refund_succeeded")]
    assert ground.inbox.mails[0]["Subject"] == "Northwind refunded €12.50"


async def test_a_bank_that_asks_is_passed_on_once_a_payment(ground, invoice):
    asked = PaymentActionRequired(
        tenant_id=ground.tenant_id,
        payment_id=ids.new(NOW),
        invoice_id=invoice.id,
        customer_id=ground.customer.id,
        attempt=1,
        amount=invoice.total,
    )
    told = await ground.hear(handlers.on_payment_action_required, heard(asked), heard(asked))
    assert told == [(MAIL, "payment_action_required"), (SMS, "payment_action_required")]
    assert "https://billing.example.com/checkout/" in text_of(ground.inbox.mails[0])
