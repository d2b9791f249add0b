"""A saved card fails: tries on days 1, 3 and 7, reminders, the block; and what lifts it."""

from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.catalog.model import NewPrice
from guilder.domain.dunning import handlers
from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.events import (
    AccessToBlock,
    CaseClosed,
    CaseOpened,
    CaseRecovered,
    ReminderDue,
    RetriesExhausted,
    RetryPlanned,
)
from guilder.domain.dunning.model import FinalAction, Policy
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentFailed
from guilder.domain.payments.model import Answer, Payable, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import REACTIONS, a_shop, days, says_never, says_no, says_yes

ODD_HOUR = datetime(2026, 3, 1, 3, 17, 23, 456789, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=ODD_HOUR)


def daily():
    return (NewPrice(interval=Interval(Unit.DAY), unit_amount=Money(100, "EUR"), cycle="daily"),)


async def _opened(tx, invoice, now):
    return await orders.open_checkout(tx, invoice_id=invoice.id, return_url="https://shop.example", now=now)


async def _collected_by_link(tx, invoice, now):
    owed = Payable(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=invoice.due,
        via=Via.LINK,
    )
    return await payments.collect(tx, payables=[owed], now=now)


def _answer(payment, outcome, now):
    return Answer(
        tenant_id=payment.tenant_id,
        business_key=payment.business_key,
        kind=RequestKind.CHARGE,
        outcome=outcome,
        at=now,
    )


def heard(shop, *kinds):
    return [type(event) for event in shop.heard if isinstance(event, kinds)]


async def test_a_failing_card_is_tried_on_days_1_3_and_7_to_the_microsecond(shop):
    behind = await a_customer_behind(shop)
    failed = behind.failed_at
    assert (failed.hour, failed.minute, failed.microsecond) == (3, 17, 456789)
    assert (await behind.subscription()).status == "past_due"
    await shop.advance(failed + days(30))
    retried = [at for at in shop.charged_at if at <= failed + days(8)]
    assert retried == [failed + days(count) for count in (0, 1, 3, 7)]


async def test_what_is_said_of_it_is_said_once_and_in_order(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(7))
    kinds = (CaseOpened, RetryPlanned, RetriesExhausted, AccessToBlock)
    assert heard(shop, *kinds) == [CaseOpened, RetryPlanned, RetryPlanned, RetriesExhausted, AccessToBlock]
    planned = [event.next_retry_at for event in shop.heard if isinstance(event, (CaseOpened, RetryPlanned))]
    assert planned == [behind.failed_at + days(count) for count in (1, 3, 7)]
    assert (await behind.subscription()).status == "suspended"
    case = await behind.case()
    assert (case.status, case.is_blocking, case.retries_made, case.next_retry_at) == ("exhausted", True, 3, None)


async def test_a_hard_decline_ends_the_tries_at_once(shop):
    behind = await a_customer_behind(shop, bank=says_never)
    assert heard(shop, CaseOpened, RetriesExhausted, AccessToBlock) == [CaseOpened, RetriesExhausted, AccessToBlock]
    await shop.advance(behind.failed_at + days(20))
    assert shop.charged_at == [behind.failed_at]


async def test_reminders_come_every_third_day_and_ten_times_at_most(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(100))
    reminders = [event for event in shop.heard if isinstance(event, ReminderDue)]
    assert [each.reminder for each in reminders] == list(range(1, 11))
    assert {each.amount_due.minor for each in reminders} == {3000}
    assert (await behind.case()).next_reminder_at is None


async def test_reminders_that_were_missed_are_not_sent_all_at_once(shop):
    behind = await a_customer_behind(shop)
    case = await behind.case()
    shop.now = behind.failed_at + days(10)
    await shop.act(lambda tx: dunning.remind_due(tx, refs=[case.ref], now=shop.now))
    await shop.act(lambda tx: dunning.remind_due(tx, refs=[case.ref], now=shop.now))
    after = await behind.case()
    assert (after.reminders_sent, after.next_reminder_at) == (1, behind.failed_at + days(12))


async def test_a_try_that_succeeds_recovers_it_and_ends_the_reminders(shop):
    behind = await a_customer_behind(shop)
    shop.bank = says_yes
    await shop.advance(behind.failed_at + days(20))
    assert (await behind.subscription()).status == "active"
    case = await behind.case()
    assert (case.status, case.closed_at) == ("recovered", behind.failed_at + days(1))
    assert heard(shop, CaseRecovered, ReminderDue, AccessToBlock) == [CaseRecovered]


async def test_repaying_after_the_block_begins_a_new_period_that_is_billed(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(40))
    invoice = await behind.invoice()
    shop.bank = says_yes
    case = await behind.case()
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await shop.drain()
    after = await behind.subscription()
    assert (after.status, after.current_period.starts_at) == ("active", shop.now)
    invoices = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=after.id))
    assert [each.status for each in invoices.items] == ["paid"] * 3
    assert invoices.items[1].id == invoice.id
    assert (await behind.case()).is_blocking is False


async def test_repaying_what_was_opted_out_of_ends_it_without_another_bill(shop):
    behind = await a_customer_behind(shop)
    ref = behind.subscription_ref
    await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=ref.id, is_on=False, now=shop.now))
    await shop.advance(behind.failed_at + days(40))
    assert (await behind.subscription()).status == "suspended"
    shop.bank = says_yes
    case = await behind.case()
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await shop.drain()
    assert ((await behind.case()).status, (await behind.subscription()).status) == ("recovered", "expired")
    bills = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=ref.id))
    assert len(bills.items) == 2


async def test_repaid_within_its_period_it_goes_on_without_another_bill(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(9))
    shop.bank = says_yes
    case = await behind.case()
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await shop.drain()
    after = await behind.subscription()
    assert (after.status, after.current_period.starts_at) == ("active", behind.failed_at)
    invoices = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=after.id))
    assert len(invoices.items) == 2


async def test_a_new_card_is_tried_at_once_and_uses_up_no_try(shop):
    behind = await a_customer_behind(shop)
    shop.now = behind.failed_at + days(0.5)
    await shop.card(behind.customer)
    await shop.drain()
    assert shop.charged_at[-1] == behind.failed_at + days(0.5)
    await shop.advance(behind.failed_at + days(8))
    assert shop.charged_at == [behind.failed_at + days(count) for count in (0, 0.5, 1, 3, 7)]


async def test_a_new_card_that_works_lifts_the_block(shop):
    behind = await a_customer_behind(shop, bank=says_never)
    shop.bank = lambda payment: says_no(payment) if payment.payment_method_id == behind.card.id else says_yes(payment)
    await shop.card(behind.customer)
    await shop.drain()
    assert (await behind.subscription()).status == "active"
    assert heard(shop, CaseRecovered) == [CaseRecovered]


async def test_a_card_kept_from_a_payment_that_is_not_counted_yet_charges_nothing(shop):
    """The payment by link and the card that it left are told of on two topics: the card may be heard of first."""
    behind = await a_customer_behind(shop)
    invoice = await behind.invoice()
    before = len(shop.charged_at)
    opened = await shop.act(lambda tx: _opened(tx, invoice, shop.now))
    await shop.drain()
    outcome = says_yes(opened)
    await shop.act(lambda tx: payments.record(tx, answers=[_answer(opened, outcome, shop.now)], now=shop.now))
    await shop.act(
        lambda tx: dunning.method_added(
            tx, methods={Ref(shop.tenant.tenant_id, behind.customer.id): behind.card.id}, now=shop.now
        )
    )
    await shop.drain()
    assert len(shop.charged_at) == before
    assert (await behind.invoice()).status == "paid"


async def test_a_decline_that_is_heard_again_changes_nothing(shop):
    behind = await a_customer_behind(shop)
    [failure] = [event for event in shop.heard if isinstance(event, PaymentFailed)]
    before, said = await behind.case(), len(shop.heard)
    shop.now += timedelta(hours=30)
    for _ in range(3):
        await shop.tell(handlers.on_payment_failed, [failure, failure])
    assert await behind.case() == before
    assert len(shop.heard) == said


async def test_a_decline_that_is_heard_late_plans_the_same_dates(shop, monkeypatch):
    with monkeypatch.context() as deaf:
        deaf.setitem(REACTIONS, PaymentFailed, [])
        customer = await shop.customer(time_zone="UTC")
        card = await shop.card(customer)
        answer = await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)
        shop.bank = says_no
        ends_at = answer.subscription.current_period.ends_at
        await shop.advance(ends_at)
    [failure] = [event for event in shop.heard if isinstance(event, PaymentFailed)]
    shop.now = ends_at + timedelta(hours=20)
    await shop.tell(handlers.on_payment_failed, [failure])
    [case] = (await shop.act(lambda tx: dunning.listing(tx, query=PageQuery()))).items
    assert (case.first_failed_at, case.opened_at) == (ends_at, shop.now)
    assert (case.next_retry_at, case.next_reminder_at) == (ends_at + days(1), ends_at + days(3))


async def test_the_first_payment_of_a_subscription_that_never_succeeds_expires_it(shop):
    customer = await shop.customer()
    card = await shop.card(customer)
    shop.bank = says_never
    answer = await shop.subscribe(customer, await shop.plan(), payment_method_id=card.id)
    subscription = await shop.act(lambda tx: subscriptions.one(tx, ref=answer.subscription.ref))
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=answer.invoice.id))
    assert (subscription.status, invoice.status) == ("expired", "void")
    assert heard(shop, RetriesExhausted, AccessToBlock, CaseClosed) == [RetriesExhausted, CaseClosed]


async def test_a_decline_on_the_payment_page_opens_no_case(shop):
    answer = await shop.subscribe(await shop.customer(), await shop.plan())
    opened = await shop.act(lambda tx: _opened(tx, answer.invoice, shop.now))
    await shop.drain()
    await shop.record(opened, says_never(opened))
    assert heard(shop, CaseOpened) == []


async def with_policy(shop, **over):
    policy = Policy(tenant_id=shop.tenant.tenant_id, **over)
    await shop.act(lambda tx: dunning.set_policy(tx, policy=policy, now=shop.now))


async def test_a_policy_that_cancels_ends_it_and_writes_the_invoice_off(shop):
    await with_policy(shop, retry_days=(2,), final_action=FinalAction.CANCEL)
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(5))
    assert shop.charged_at == [behind.failed_at, behind.failed_at + days(2)]
    assert (await behind.subscription()).status == "canceled"
    assert (await behind.invoice()).status == "uncollectible"
    assert heard(shop, AccessToBlock, CaseClosed) == [CaseClosed]


async def test_a_grace_keeps_access_until_it_has_run_out(shop):
    await with_policy(shop, retry_days=(1,), grace_days=4)
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(4.9))
    assert (await behind.subscription()).status == "past_due"
    assert heard(shop, RetriesExhausted, AccessToBlock) == [RetriesExhausted]
    await shop.advance(behind.failed_at + days(5))
    assert (await behind.subscription()).status == "suspended"
    assert heard(shop, AccessToBlock) == [AccessToBlock]


async def test_a_strict_policy_blocks_at_the_first_failure(shop):
    await with_policy(shop, blocks_at_first_failure=True)
    behind = await a_customer_behind(shop)
    assert heard(shop, AccessToBlock) == [AccessToBlock]
    await shop.advance(behind.failed_at + days(8))
    assert heard(shop, AccessToBlock) == [AccessToBlock]


async def test_without_a_card_the_tries_fail_by_their_dates_and_end(shop):
    behind = await a_customer_behind(shop)
    await shop.act(lambda tx: payments.remove_method(tx, method_id=behind.card.id, now=shop.now))
    await shop.advance(behind.failed_at + days(8))
    case = await behind.case()
    assert (case.status, case.retries_made, case.last_decline_code) == ("exhausted", 3, "no_payment_method")


async def test_without_a_card_and_with_an_open_link_the_tries_end_too(shop):
    behind = await a_customer_behind(shop)
    await shop.act(lambda tx: payments.remove_method(tx, method_id=behind.card.id, now=shop.now))
    invoice = await behind.invoice()
    await shop.act(lambda tx: _collected_by_link(tx, invoice, shop.now))
    await shop.advance(behind.failed_at + days(8))
    case = await behind.case()
    assert (case.status, case.retries_made, case.last_decline_code) == ("exhausted", 3, "no_payment_method")


async def test_without_a_card_an_opened_payment_page_does_not_stop_the_tries(shop):
    behind = await a_customer_behind(shop)
    await shop.act(lambda tx: payments.remove_method(tx, method_id=behind.card.id, now=shop.now))
    invoice = await behind.invoice()
    await shop.act(lambda tx: _opened(tx, invoice, shop.now))
    await shop.drain()
    await shop.advance(behind.failed_at + days(8))
    case = await behind.case()
    assert (case.status, case.retries_made, case.last_decline_code) == ("exhausted", 3, "no_payment_method")


@pytest.mark.parametrize("said", [OutcomeKind.CANCELED, OutcomeKind.DECLINED])
async def test_a_renewal_whose_payment_page_was_closed_before_it_was_overdue_is_behind(shop, said):
    customer = await shop.customer(time_zone="UTC")
    answer = await shop.subscribe(customer, await shop.plan())
    await shop.pays_by_link(answer)
    ref = answer.subscription.ref
    renewed_at = (await shop.act(lambda tx: subscriptions.one(tx, ref=ref))).current_period.ends_at
    await shop.advance(renewed_at)
    bills = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=ref.id))
    renewal = bills.items[0]
    opened = await shop.act(lambda tx: _opened(tx, renewal, shop.now))
    await shop.drain()
    await shop.record(opened, Outcome(kind=said, decline_code="expired"))
    await shop.act(lambda tx: dunning.unpaid(tx, invoices={renewal.ref: renewal.due_at}, now=shop.now))
    cases = (await shop.act(lambda tx: dunning.listing(tx, query=PageQuery()))).items
    assert [case.invoice_id for case in cases] == [renewal.id]


async def test_voiding_the_invoice_forgives_it(shop):
    behind = await a_customer_behind(shop)
    invoice = await behind.invoice()
    await shop.act(lambda tx: invoicing.void(tx, refs=[invoice.ref], now=shop.now))
    await shop.drain()
    assert ((await behind.case()).status, (await behind.subscription()).status) == ("closed", "active")


async def test_what_was_voided_a_moment_ago_is_not_charged_again(shop):
    behind = await a_customer_behind(shop)
    invoice, case = await behind.invoice(), await behind.case()
    shop.bank = says_yes
    await shop.act(lambda tx: invoicing.void(tx, refs=[invoice.ref], now=shop.now))  # and nobody has heard of it
    with pytest.raises(dunning.PaymentUnderWay):
        await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await shop.act(lambda tx: dunning.retry_due(tx, refs=[case.ref], now=shop.now + days(1)))
    await shop.drain()
    assert await shop.act(lambda tx: payments.succeeded_totals(tx, invoices=[invoice.ref])) == {}


async def test_giving_up_writes_the_invoice_off_and_ends_the_subscription(shop):
    behind = await a_customer_behind(shop)
    case = await behind.case()
    given_up = await shop.act(lambda tx: dunning.give_up(tx, case_id=case.id, now=shop.now))
    assert given_up.status == "closed"
    assert ((await behind.invoice()).status, (await behind.subscription()).status) == ("uncollectible", "canceled")
    with pytest.raises(dunning.CaseIsEnded):
        await shop.act(lambda tx: dunning.give_up(tx, case_id=case.id, now=shop.now))


async def test_paying_one_of_two_open_invoices_leaves_it_behind(shop):
    behind = await a_customer_behind(shop, prices=daily())
    await shop.advance(behind.failed_at + days(1.5))
    cases = (await shop.act(lambda tx: dunning.listing(tx, query=PageQuery()))).items
    assert len(cases) == 2
    shop.bank = says_yes
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=cases[1].id, now=shop.now))
    await shop.drain()
    assert (await behind.subscription()).status == "past_due"
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=cases[0].id, now=shop.now))
    await shop.drain()
    assert (await behind.subscription()).status == "active"
