"""Refunds: never more than came in, whoever asks at once."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, RefundPolicy, RefundStatus
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, new
from guilder.kernel.page import PageQuery


@pytest.fixture
async def paid(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    return payment


async def give_back(till, payment, amount=None, **over):
    async with till.tx() as tx:
        asked = NewRefund(payment_id=payment.id, reason="not used", amount_minor=amount, **over)
        return await payments.make_refund(tx, refund=asked, now=till.now)


async def all_of(till):
    async with till.tx() as tx:
        return (await payments.refunds(tx, query=PageQuery())).items


async def test_a_refund_gives_back_what_is_left_and_is_booked(till, paid):
    await give_back(till, paid, 1000)
    await give_back(till, paid, ends_access=True)
    await till.settle()
    assert sorted(refund["amount"] for refund in till.merchant.journal()["refunds"]) == [1000, 3900]
    assert {each.status for each in await all_of(till)} == {RefundStatus.SUCCEEDED}
    assert await till.balances() == {("receivable", "EUR"): -4900, ("refunds", "EUR"): 4900}
    assert (await till.heard()).count("payments.refund.succeeded") == 2


@pytest.mark.shows("fault F9", "ASVS 2.3.4")
async def test_of_twenty_at_once_no_more_is_given_back_than_came_in(till, paid):
    results = await asyncio.gather(*[give_back(till, paid, 2000) for _ in range(20)], return_exceptions=True)
    refused = [each for each in results if isinstance(each, Exception)]
    assert len(refused) == 18
    assert all(isinstance(each, Conflict) for each in refused), refused
    await till.settle()
    assert [refund["amount"] for refund in till.merchant.journal()["refunds"]] == [2000, 2000]


@pytest.mark.shows("ASVS 2.3.2")
async def test_the_database_itself_refuses_more(till, paid):
    await give_back(till, paid, 4000)
    async with till.tx() as tx:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await tx.execute(
                """insert into payments.refunds select tenant_id, gen_random_uuid(), payment_id, invoice_id, customer_id,
                   901, currency, 'pending', '', false, false, '', '', asked_at from payments.refunds"""
            )


async def test_a_refund_without_an_answer_is_made_once(till, paid):
    till.merchant.sim("faults", {"mode": "drop_after", "op": "refund", "times": 1})
    refund = await give_back(till, paid)
    await till.settle_in_time()
    assert [each["amount"] for each in till.merchant.journal()["refunds"]] == [4900]
    async with till.tx() as tx:
        assert (await payments.refund(tx, refund_id=refund.id)).status is RefundStatus.SUCCEEDED


async def test_the_notice_of_a_refund_before_its_answer_counts_once(till, paid):
    till.merchant.sim("faults", {"mode": "hold", "op": "refund", "phase": "after", "times": 1})
    await give_back(till, paid)
    await till.hear()
    calling = asyncio.create_task(till.runner.drain())
    while not till.merchant.seen("held")["held"]:
        await asyncio.sleep(0.02)
    [event] = till.events("refund.updated")
    await till.notify(event)
    await till.hear()
    assert [each.status for each in await all_of(till)] == [RefundStatus.SUCCEEDED]
    till.merchant.sim("release", {})
    await calling
    await till.settle()
    assert (await till.heard()).count("payments.refund.succeeded") == 1


async def ask(till, payment, customer_id=None, amount=None):
    async with till.tx() as tx:
        asked = NewRefund(payment_id=payment.id, reason="please", amount_minor=amount)
        return await payments.ask_refund(tx, refund=asked, customer_id=customer_id, now=till.now)


async def test_what_a_customer_asks_for_waits_for_staff(till, paid):
    asked = await ask(till, paid, till.customer.id)
    await till.settle()
    assert asked.status is RefundStatus.ASKED
    assert till.merchant.journal()["refunds"] == []
    with pytest.raises(Conflict):
        await ask(till, paid)
    async with till.tx() as tx:
        await payments.grant_refund(tx, refund_id=asked.id, now=till.now)
    await till.settle()
    assert len(till.merchant.journal()["refunds"]) == 1
    async with till.tx() as tx:
        with pytest.raises(Conflict):
            await payments.refuse_refund(tx, refund_id=asked.id, reason="late", now=till.now)


async def test_another_customers_payment_is_unknown(till, paid):
    with pytest.raises(NotFound):
        await ask(till, paid, CustomerId(new(till.now)))


@pytest.mark.parametrize(("days_later", "status"), [(14, RefundStatus.PENDING), (15, RefundStatus.ASKED)])
async def test_the_policy_grants_within_its_days(till, paid, days_later, status):
    async with till.tx() as tx:
        await payments.set_refund_policy(tx, policy=RefundPolicy(auto_grant_days=14), now=till.now)
    till.clock.move_by(timedelta(days=days_later))
    assert (await ask(till, paid)).status is status


async def test_what_nobody_looked_at_ends_the_access_that_it_pays_back(till, paid):
    async with till.tx() as tx:
        await payments.set_refund_policy(tx, policy=RefundPolicy(auto_grant_days=14), now=till.now)
    assert (await ask(till, paid)).ends_access
