"""Billing and intake at once: whatever is dated before the watermark was counted, or is late. Never both, never neither."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Amendment, Closing, LateAsked
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.usage import an_event, metered, quantities, used

HOUR = timedelta(hours=1)


@pytest.fixture
async def ground(database):
    return await metered(database, Aggregation.COUNT)


async def close(database, ground, until, *, after=0):
    """Close as billing does: count what is there, and ask what came late, in one transaction."""
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.close(tx, closings=[ground.closing(until)])
        [counted] = await quantities(tx, [ground.question(ends_at=until)])
        [late] = await usage.late_since(tx, asked=[asked(ground, after)])
    return counted, late


def asked(ground, after=0):
    return LateAsked(tenant_id=ground.tenant_id, customer_id=ground.customer.id, after=after)


async def test_what_is_dated_before_the_watermark_is_late_from_then_on(database, ground):
    until = NOW - HOUR
    early, just, on_time = (ground.event(at=each) for each in (until - HOUR, until - timedelta(microseconds=1), until))
    await used(database, early)
    assert await close(database, ground, until) == (1, ())
    await used(database, just, on_time, early)
    counted, [late] = await close(database, ground, until)
    assert (counted, late.meter_id, late.at) == (2, ground.meter.id, just.at)
    assert (await close(database, ground, until, after=late.number))[1] == ()


async def test_a_watermark_never_moves_back(database, ground):
    until = NOW - HOUR
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.close(tx, closings=[ground.closing(until), ground.closing(until - 9 * HOUR)])
        await usage.close(tx, closings=[ground.closing(until - 5 * HOUR)])
        await usage.close(tx, closings=[])
    await used(database, ground.event(at=until - HOUR))
    assert len((await close(database, ground, until))[1]) == 1


async def test_customers_are_closed_each_for_itself_in_one_batch(database, ground):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        second, third = await a_customer(tx), await a_customer(tx)
        closings = [ground.closing(NOW), Closing(tenant_id=ground.tenant_id, customer_id=second.id, until=NOW - HOUR)]
        await usage.close(tx, closings=closings)
        at = NOW - HOUR / 2
        for each in (ground.customer, second, third):
            await usage.record(
                tx, events=[an_event(customer_id=each.id, meter=ground.meter, at=at) for _ in range(2)], now=NOW
            )
        ask = [
            LateAsked(tenant_id=ground.tenant_id, customer_id=each.id, after=0)
            for each in (third, ground.customer, second, ground.customer)
        ]
        assert [len(each) for each in await usage.late_since(tx, asked=ask)] == [0, 2, 0, 2]


async def test_a_correction_is_late_by_what_was_said_and_by_what_is_said_now(database, ground):
    until = NOW - HOUR
    before, after = until - HOUR, until + HOUR / 2
    moved_in, moved_out, amended, canceled, untouched = (
        ground.event(at=each) for each in (after, before, before, before, after)
    )
    await used(database, moved_in, moved_out, amended, canceled, untouched)
    await close(database, ground, until)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        for event, amendment in (
            (moved_in, Amendment(at=before - HOUR)),
            (moved_out, Amendment(at=after)),
            (amended, Amendment(value=amended.value + 1)),
            (amended, Amendment(value=amended.value + 1)),  # nothing new is said
            (untouched, Amendment(value=amended.value + 1)),
        ):
            await usage.amend(tx, event_id=event.event_id, amendment=amendment, now=NOW)
        for _ in range(2):
            await usage.cancel(tx, event_id=canceled.event_id, now=NOW)
        [late] = await usage.late_since(tx, asked=[asked(ground)])
    assert [each.at for each in late] == [before - HOUR, before, before, before]
    assert [each.number for each in late] == sorted({each.number for each in late})


async def test_billing_waits_for_who_is_counting(database, ground):
    """The reading was taken in before the bill, and its transaction ends after the bill has begun."""
    until = NOW - HOUR
    await used(database, ground.event(at=NOW))  # the watermark is there
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.record(tx, events=[ground.event(at=until - HOUR)], now=NOW)
        closing = asyncio.create_task(close(database, ground, until))
        await asyncio.sleep(0.1)
        assert not closing.done()
    assert await closing == (1, ())


async def test_who_comes_while_a_bill_is_made_is_late(database, ground):
    until = NOW - HOUR
    await used(database, ground.event(at=NOW))  # the watermark is there
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.close(tx, closings=[ground.closing(until)])
        coming = asyncio.create_task(used(database, ground.event(at=until - HOUR)))
        await asyncio.sleep(0.1)
        assert not coming.done()
        assert await quantities(tx, [ground.question(ends_at=until)]) == [0]
    await coming
    assert len((await close(database, ground, until))[1]) == 1


async def test_two_who_count_do_not_wait_for_each_other(database, ground):
    await used(database, ground.event())
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.record(tx, events=[ground.event()], now=NOW)
        await asyncio.wait_for(used(database, ground.event()), timeout=60)


@pytest.mark.parametrize("seed", range(4))
async def test_under_load_every_reading_is_in_a_bill_or_late_and_none_is_in_both(database, ground, seed):
    """Eight senders and a biller that closes hour after hour: of each hour, what was counted and what was late is all.

    The senders leave no moment in which nobody counts: a biller that merely waited for one would wait for ever.
    """
    dice = random.Random(seed)
    start, hours = NOW - 24 * HOUR, 12
    counted, sent, late, is_over = Counter(), Counter(), Counter(), asyncio.Event()

    def hour_of(at):
        return (at - start) // HOUR

    async def send():
        while not is_over.is_set():
            batch = [ground.event(at=start + dice.random() * hours * HOUR) for _ in range(3)]
            async with database.transaction([ground.tenant_id], actor="test") as tx:
                await usage.record(tx, events=batch, now=NOW)
                await asyncio.sleep(dice.random() * 0.01)
            sent.update(hour_of(each.at) for each in batch)

    async def bill():
        after = 0
        for hour in range(hours):
            begins = start + hour * HOUR
            async with database.transaction([ground.tenant_id], actor="test") as tx:
                await usage.close(tx, closings=[ground.closing(begins + HOUR)])
                [quantity] = await quantities(tx, [ground.question(starts_at=begins, ends_at=begins + HOUR)])
                [fresh] = await usage.late_since(tx, asked=[asked(ground, after)])
            counted[hour] = int(quantity)
            late.update(hour_of(each.at) for each in fresh)
            after = fresh[-1].number if fresh else after
            await asyncio.sleep(0.02)
        return after

    senders = [asyncio.create_task(send()) for _ in range(8)]
    after = await asyncio.wait_for(bill(), timeout=90)
    is_over.set()
    await asyncio.gather(*senders)
    assert late, "the biller and the senders met"
    _, rest = await close(database, ground, start + hours * HOUR, after=after)
    late.update(hour_of(each.at) for each in rest)
    assert counted + late == sent


async def test_under_load_a_correction_is_in_a_bill_or_late(database, ground):
    """Events are canceled while their hour is billed: the bill had them and it is late, or it had them no more."""
    start, hours = NOW - 24 * HOUR, 12
    events = [ground.event(at=start + hour * HOUR + n * HOUR / 20) for hour in range(hours) for n in range(10)]
    await used(database, *events)
    doomed = random.Random(1).sample(events, 80)
    counted = Counter()

    async def cancel(mine):
        for each in mine:
            async with database.transaction([ground.tenant_id], actor="test") as tx:
                await usage.cancel(tx, event_id=each.event_id, now=NOW)
                await asyncio.sleep(0.003)

    canceling = [asyncio.create_task(cancel(doomed[n::4])) for n in range(4)]
    for hour in range(hours):
        begins = start + hour * HOUR
        async with database.transaction([ground.tenant_id], actor="test") as tx:
            await usage.close(tx, closings=[ground.closing(begins + HOUR)])
            [quantity] = await quantities(tx, [ground.question(starts_at=begins, ends_at=begins + HOUR)])
        counted[hour] = int(quantity)
    await asyncio.gather(*canceling)
    _, late = await close(database, ground, start + hours * HOUR)
    taken_back = Counter((each.at - start) // HOUR for each in late)
    left = Counter((each.at - start) // HOUR for each in events) - Counter((each.at - start) // HOUR for each in doomed)
    assert taken_back
    assert counted - taken_back == left
