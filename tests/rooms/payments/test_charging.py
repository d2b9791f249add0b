"""Charging a saved method, at the real simulated provider: once, whatever dies or stays silent."""

import asyncio
from datetime import timedelta

import pytest

from guilder.domain.gateways import jobs as gateway_jobs
from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status, Via
from guilder.kernel.ids import Ref
from guilder.platform.outside.runner import Runner


async def due_again(till):
    """Move past the next check, and have what is due looked up."""
    till.clock.move_by(timedelta(hours=1))
    async with till.database.transaction(actor="test") as tx:
        rows = await tx.fetch("select tenant_id, id from gateways.requests_due(null, $1, 100)", till.now)
    async with till.tx() as tx:
        count = await gateway_jobs.look_again(tx, [Ref(*row) for row in rows], now=till.now)
    await till.settle()
    return count


async def test_a_saved_card_is_charged_once_and_the_money_is_booked(till):
    card = await till.a_card()
    payment = await till.collect()
    assert (payment.status, payment.via) == (Status.REQUESTED, Via.SAVED)
    await till.settle()

    paid = await till.payment(payment)
    assert (paid.status, paid.last4, paid.payment_method_id) == (Status.SUCCEEDED, "4242", card.id)
    journal = till.merchant.journal()["charges"]
    assert [(c["amount"], c["status"], c["business_key"]) for c in journal] == [(4900, "succeeded", paid.business_key)]
    assert paid.provider_ref == journal[0]["ref"]
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}
    assert (await till.heard()).count("payments.payment.succeeded") == 1


async def test_a_suspended_tenant_charges_nobody_until_it_is_resumed(till):
    await till.a_card()
    payment = await till.collect()
    async with till.tx() as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=till.now)
    await till.settle()
    assert (await till.payment(payment)).status is Status.REQUESTED
    assert till.merchant.charged() == []

    async with till.tx() as tx:
        await identity.resume_tenant(tx, reason="paid", now=till.now)
    till.clock.move_by(timedelta(hours=1))
    async with till.tx() as tx:
        assert await payments.look_after(tx, refs=[payment.ref], now=till.now) == 1
    await till.settle()
    assert till.merchant.charged() == [4900]


async def test_collecting_again_what_is_paid_or_under_way_makes_no_second_payment(till):
    await till.a_card()
    payable = till.payable()
    first = await till.collect(payable)
    again = await till.collect(payable)
    assert again.id == first.id
    await till.settle()
    assert (await till.collect(payable)).id == first.id
    await till.settle()
    assert till.merchant.charged() == [4900]


@pytest.mark.shows("fault F9", "ASVS 15.4.2")
async def test_of_twenty_who_collect_one_invoice_at_once_one_payment_is_in_flight(till):
    await till.a_card()
    payable = till.payable()
    made = await asyncio.gather(*[till.collect(payable) for _ in range(20)])
    assert len({payment.id for payment in made}) == 1
    await till.settle()
    assert till.merchant.charged() == [4900]
    assert (await till.heard()).count("payments.payment.requested") == 1


@pytest.mark.parametrize(
    ("card", "code", "is_hard"),
    [("pm_card_insufficient_funds", "insufficient_funds", False), ("pm_card_invalid_account", "invalid_account", True)],
)
async def test_a_decline_is_final_at_the_provider_before_it_is_told(till, card, code, is_hard):
    await till.a_card(card)
    payable = till.payable()
    payment = await till.collect(payable)
    await till.settle()
    failed = await till.payment(payment)
    assert (failed.status, failed.decline_code, failed.is_hard_decline) == (Status.DECLINED, code, is_hard)
    [charge] = till.merchant.journal()["charges"]
    assert till.merchant.status(charge["intent"]) == "canceled"
    assert (await till.heard()).count("payments.payment.failed") == 1

    second = await till.collect(payable)
    assert (second.attempt, second.id != payment.id) == (2, True)


async def test_charged_without_an_answer_is_unknown_then_succeeded_by_one_charge(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm", "times": 1})
    payment = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).status is Status.UNKNOWN
    await till.settle_in_time()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]
    assert (await till.heard()).count("payments.payment.succeeded") == 1


@pytest.mark.parametrize("op", ["prepare", "confirm"])
@pytest.mark.parametrize(
    "mode", ["drop_before", "drop_after", "html", "truncated", "unknown_status", "wrong_amount", "status"]
)
async def test_whatever_the_answer_was_like_it_ends_in_one_charge(till, op, mode):
    await till.a_card()
    till.merchant.sim("faults", {"mode": mode, "op": op, "times": 1})
    payment = await till.collect()
    await till.settle()
    seen = await till.payment(payment)
    assert seen.status is Status.UNKNOWN
    assert seen.alert == ("amount_mismatch" if mode == "wrong_amount" else "")
    await till.settle_in_time()
    if mode == "wrong_amount":
        assert (await till.payment(payment)).status is Status.UNKNOWN, "it is parked until it is looked at again"
        await due_again(till)
    paid = await till.payment(payment)
    assert (paid.status, paid.alert) == (Status.SUCCEEDED, "")
    assert till.merchant.charged() == [4900]


async def test_a_worker_that_died_after_the_charge_and_before_its_record_charges_once(till):
    """The charge is made; the runner that made it never records. Its lease runs out, and another one takes over."""
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    recorded = []

    class Dead(Runner):
        pass

    dead = Dead(
        till.database,
        list(till.runner._phases._performers.values()),
        till.runner._phases._clocks,
        clock=till.runner._clock,
    )
    original = dead._phases.record

    async def record(done):
        if done[0].intent.step == "confirm":
            recorded.append(done[0].outcome)
            raise RuntimeError("killed")
        return await original(done)

    dead._phases.record = record
    await dead.step(till.account.destination)
    assert [outcome.kind for outcome in recorded] == ["succeeded"]
    assert till.merchant.charged() == [4900]
    await till.settle()
    assert (await till.payment(payment)).status is Status.REQUESTED, "nobody may take the lease yet"

    async with till.tx() as tx:
        await tx.execute("update platform.intents set due_at = clock_timestamp() where state = 'waiting'")
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


async def test_a_key_that_is_refused_stops_the_account_and_declines_nothing(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "revoked"})
    payment = await till.collect()
    other = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).status is Status.REQUESTED
    assert (await till.payment(other)).status is Status.REQUESTED
    heard = await till.heard()
    assert heard.count("gateways.account.refused_us") == 1
    assert "payments.payment.failed" not in heard
    async with till.tx() as tx:
        assert (await gateways.one(tx, account_id=till.account.id)).refused_at == till.now

    till.merchant.sim("faults", {"mode": "ok"})
    assert await due_again(till) >= 2
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert (await till.payment(other)).status is Status.SUCCEEDED
    async with till.tx() as tx:
        assert (await gateways.one(tx, account_id=till.account.id)).refused_at is None


async def test_what_takes_days_is_unknown_until_the_provider_knows(till):
    await till.a_card("pm_card_async")
    till.merchant.sim("settings", {"async_delay_seconds": 1.0})
    payment = await till.collect()
    await till.settle()
    pending = await till.payment(payment)
    assert pending.status is Status.UNKNOWN
    assert "payments.payment.succeeded" not in await till.heard()
    await asyncio.sleep(1.5)
    assert await due_again(till) == 1
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]


async def test_a_provider_that_is_down_is_asked_again_by_the_clock_and_nothing_is_declined(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "status", "op": "any"})
    payment = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).status is Status.UNKNOWN
    till.merchant.sim("faults", {"mode": "ok"})
    await till.settle_in_time()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]
    assert (await till.heard()).count("gateways.request.answered") == 3, "the card, unknown once, succeeded"


async def test_a_saved_wish_without_a_method_fails_as_one_attempt(till):
    payment = await till.collect(via=Via.SAVED)
    assert (payment.status, payment.decline_code) == (Status.DECLINED, "no_payment_method")
    assert (await till.heard()).count("payments.payment.failed") == 1


async def test_who_looks_again_waits_for_the_runner_without_being_in_its_way(till):
    """The runner locks its call, and then what that is about; in another order both would wait for each other."""
    await till.a_card()
    payment = await till.collect()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm"})
    till.merchant.sim("faults", {"mode": "status", "op": "lookup", "times": 5})
    await till.settle()
    till.clock.move_by(timedelta(hours=1))
    async with till.tx() as runner:
        [row] = await runner.fetch("select tenant_id, id from gateways.requests where subject_id = $1", payment.id)
        await runner.execute("select from platform.intents where subject_id = $1 for update", row["id"])

        async def look():
            async with till.tx() as tx:
                return await gateways.look_again(tx, refs=[Ref(*row)], now=till.now)

        looking = asyncio.create_task(look())
        await asyncio.sleep(0.5)
        assert not looking.done()
        await runner.execute("select from gateways.requests where id = $1 for update nowait", row["id"])
    assert await looking == 1
