"""A tenant that is suspended at the worst moment of a charge: nothing new is charged, and nothing that was is lost."""

import asyncio
from datetime import timedelta

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, RefundStatus, Status
from guilder.platform.outside.runner import Runner

pytestmark = pytest.mark.shows("fault G4")


async def suspend(till):
    async with till.tx() as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=till.now)


async def resume(till):
    async with till.tx() as tx:
        await identity.resume_tenant(tx, reason="paid", now=till.now)


async def lease_runs_out(till):
    async with till.tx() as tx:
        await tx.execute("update platform.intents set due_at = clock_timestamp() where state = 'waiting'")


async def waiting(till):
    async with till.tx() as tx:
        rows = await tx.fetch("select kind, at_step, is_leased from platform.intents where state = 'waiting'")
    return [tuple(row) for row in rows]


async def held_at_provider(till):
    async with asyncio.timeout(30):
        while not till.merchant.seen("held")["held"]:
            await asyncio.sleep(0.02)


async def test_a_queued_charge_waits_and_is_made_once_when_the_tenant_is_back(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    assert await waiting(till) == [("gateway.charge", "prepare", False)]
    await suspend(till)
    await till.settle()
    assert till.merchant.journal()["charges"] == []
    assert await waiting(till) == [("gateway.charge", "prepare", False)], "it stands where it stood"

    await resume(till)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


async def test_a_charge_that_a_dead_runner_had_claimed_waits_too(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    [claim], _ = await till.runner._phases.take(till.account.destination, 10)
    await suspend(till)
    assert await till.runner._phases.load([claim]) == [], "claimed before it was suspended, and not called after"
    await till.settle()
    assert till.merchant.journal()["charges"] == []

    await resume(till)
    await lease_runs_out(till)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


async def test_what_was_prepared_is_recorded_and_not_confirmed(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    till.merchant.sim("faults", {"mode": "hold", "op": "prepare", "phase": "after", "times": 1})
    calling = asyncio.create_task(till.runner.drain())
    await held_at_provider(till)
    await suspend(till)
    till.merchant.sim("release", {})
    await calling
    await till.settle()
    assert till.merchant.charged() == []
    assert await waiting(till) == [("gateway.charge", "confirm", False)]

    await resume(till)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


async def test_money_that_was_asked_for_before_is_recorded_and_booked(till):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    till.merchant.sim("faults", {"mode": "hold", "op": "confirm", "phase": "after", "times": 1})
    calling = asyncio.create_task(till.runner.drain())
    await held_at_provider(till)
    await suspend(till)
    till.merchant.sim("release", {})
    await calling
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}


async def test_a_webhook_that_comes_in_is_stored_and_recorded(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm", "times": 1})
    payment = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).status is Status.UNKNOWN
    await suspend(till)
    for event in till.events("payment_intent.succeeded", "intent.succeeded", "charge.succeeded"):
        await till.notify(event)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


@pytest.mark.slow
async def test_a_refund_waits_too(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    async with till.tx() as tx:
        asked = NewRefund(payment_id=payment.id, reason="not used")
        refund = await payments.make_refund(tx, refund=asked, now=till.now)
    await suspend(till)
    await till.settle()
    assert till.merchant.journal()["refunds"] == []
    await resume(till)
    await till.settle()
    async with till.tx() as tx:
        assert (await payments.refund(tx, refund_id=refund.id)).status is RefundStatus.SUCCEEDED
    assert len(till.merchant.journal()["refunds"]) == 1


async def test_a_runner_that_was_killed_in_the_call_leaves_one_charge(till):
    """Killed after the provider charged, before the record; suspended; resumed: the same object is looked up."""
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    phases = till.runner._phases
    dead = Runner(till.database, list(phases._performers.values()), phases._clocks, clock=till.runner._clock)
    original = dead._phases.record

    async def record(done):
        if done[0].intent.step == "confirm":
            raise RuntimeError("killed")
        return await original(done)

    dead._phases.record = record
    await dead.step(till.account.destination)
    assert till.merchant.charged() == [4900]
    await suspend(till)
    await lease_runs_out(till)
    await till.settle()
    assert (await till.payment(payment)).status is Status.REQUESTED
    till.clock.move_by(timedelta(days=40))
    await resume(till)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]
