"""A case that stands still: nothing is tried, said or blocked, and time goes by."""

import pytest

from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.events import AccessToBlock, ReminderDue, RetriesExhausted
from guilder.domain.dunning.service import BadPause
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import days, says_never, says_yes


def heard(shop, *kinds):
    return [type(event) for event in shop.heard if isinstance(event, kinds)]


async def test_nothing_happens_to_it_until_it_is_resumed_by_hand(shop):
    behind = await a_customer_behind(shop)
    await behind.pauses()
    shop.charged_at.clear()
    await shop.advance(behind.failed_at + days(25))
    case = await behind.case()
    assert (case.status, case.paused_from, case.next_retry_at) == ("paused", "open", behind.failed_at + days(1))
    assert shop.charged_at == []
    assert heard(shop, ReminderDue, AccessToBlock, RetriesExhausted) == []
    assert (await behind.subscription()).status == "past_due"


async def test_of_several_tries_that_fell_due_meanwhile_one_is_made_when_it_goes_on(shop):
    behind = await a_customer_behind(shop)
    await behind.pauses()
    shop.charged_at.clear()
    goes_on = behind.failed_at + days(5)
    await shop.advance(goes_on)
    await behind.resumes()
    await shop.advance(goes_on + days(1))
    assert shop.charged_at == [goes_on]
    case = await behind.case()
    assert (case.status, case.retries_made, case.next_retry_at) == ("open", 2, behind.failed_at + days(7))


async def test_one_whose_tries_were_all_due_is_tried_once_more_and_then_exhausted(shop):
    behind = await a_customer_behind(shop)
    await behind.pauses(until=behind.failed_at + days(20))
    shop.charged_at.clear()
    await shop.advance(behind.failed_at + days(21))
    assert shop.charged_at == [behind.failed_at + days(20)]
    assert (await behind.case()).status == "exhausted"
    assert (await behind.subscription()).status == "suspended"
    assert heard(shop, RetriesExhausted, AccessToBlock) == [RetriesExhausted, AccessToBlock]


async def test_it_goes_on_on_its_date_as_of_that_date(shop):
    behind = await a_customer_behind(shop)
    await behind.pauses(until=behind.failed_at + days(2))
    await shop.advance(behind.failed_at + days(2.5))
    assert ("resumed", "paused", "open") in await behind.history()
    case = await behind.case()
    assert (case.paused_until, case.next_retry_at) == (None, behind.failed_at + days(3))


async def test_a_payment_recovers_it_all_the_same(shop):
    behind = await a_customer_behind(shop)
    invoice = await behind.invoice()
    shop.bank = says_yes
    case = await behind.case()
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await behind.pauses()
    await shop.drain()
    assert (await behind.case()).status == "recovered"
    assert (await behind.subscription()).status == "active"
    assert (await behind.history())[-1] == ("recovered", "paused", "recovered")
    assert invoice.due.minor > 0


async def test_a_failure_heard_meanwhile_is_counted_and_changes_no_date(shop):
    behind = await a_customer_behind(shop)
    case = await behind.case()
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await behind.pauses()
    before = await behind.case()
    await shop.drain()
    after = await behind.case()
    assert (await behind.history())[-1] == ("failed", "paused", "paused")
    assert (after.next_retry_at, after.next_reminder_at) == (before.next_retry_at, before.next_reminder_at)


async def test_one_that_was_told_meanwhile_that_there_is_no_use_is_exhausted_when_it_goes_on(shop):
    behind = await a_customer_behind(shop)
    case = await behind.case()
    shop.bank = says_never
    await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    await behind.pauses()
    await shop.drain()
    assert (await behind.case()).status == "paused"
    await behind.resumes()
    assert (await behind.case()).status == "exhausted"
    assert (await behind.history())[-3:-1] == [("resumed", "paused", "open"), ("exhausted", "open", "exhausted")]


async def test_an_exhausted_one_keeps_its_grace_while_it_stands_still_and_is_blocked_after(shop):
    behind = await a_customer_behind(shop)
    await behind.has(grace_days=4)
    await shop.advance(behind.failed_at + days(8))
    assert (await behind.case()).status == "exhausted"
    await behind.pauses()
    await shop.advance(behind.failed_at + days(15))
    assert (await behind.subscription()).status == "past_due"
    await behind.resumes()
    assert (await behind.case()).status == "exhausted"
    await shop.advance(behind.failed_at + days(15.5))
    assert (await behind.subscription()).status == "suspended"
    assert heard(shop, AccessToBlock) == [AccessToBlock]


async def test_a_new_card_waits_until_it_goes_on(shop):
    behind = await a_customer_behind(shop)
    await behind.pauses()
    shop.charged_at.clear()
    shop.bank = says_yes
    await shop.card(behind.customer, last4="1111")
    await shop.drain()
    assert shop.charged_at == []
    await shop.advance(behind.failed_at + days(2))
    await behind.resumes()
    await shop.advance(shop.now)
    assert (await behind.case()).status == "recovered"


@pytest.mark.parametrize("count", [0, -1, 367])
async def test_a_pause_that_makes_no_sense_is_refused(shop, count):
    behind = await a_customer_behind(shop)
    with pytest.raises(BadPause):
        await behind.pauses(until=shop.now + days(count))
