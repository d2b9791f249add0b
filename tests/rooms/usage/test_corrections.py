import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Amendment, EventStatus, Intake
from guilder.domain.usage.rules.intake import BadProperty, EventIsCanceled
from guilder.domain.usage.service import TooManyCorrections
from guilder.domain.usage.service import correcting as correcting_module
from guilder.kernel.errors import NotFound
from tests.support.builders.identity import NOW
from tests.support.builders.usage import metered, quantities, used

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
async def ground(database):
    return await metered(database)


@pytest.fixture
async def sent(database, ground):
    event = ground.event(value=Decimal(10), properties={"zone": "eu"})
    await used(database, event)
    return event


async def test_what_was_said_is_kept_and_what_is_said_now_counts(database, ground, sent):
    moved = sent.at - timedelta(days=1)
    async with database.transaction([ground.tenant_id], actor="ada") as tx:
        amended = await usage.amend(
            tx, event_id=sent.event_id, amendment=Amendment(value=Decimal(7), at=moved, properties={}), now=LATER
        )
    async with database.transaction([ground.tenant_id], actor="bob") as tx:
        canceled = await usage.cancel(tx, event_id=sent.event_id, now=LATER)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        found = await usage.one(tx, event_id=sent.event_id)
        first, second = await usage.corrections(tx, event=found)
        assert await quantities(tx, [ground.question()]) == [0]
    assert (amended.value, amended.at, amended.properties) == (7, moved, {})
    assert found == canceled
    assert found.status is EventStatus.CANCELED
    assert (first.old.value, first.old.at, first.old.properties) == (10, sent.at, {"zone": "eu"})
    assert first.new == amended.content == second.old
    assert second.new == found.content
    assert [(each.corrected_by, each.corrected_at) for each in (first, second)] == [("ada", LATER), ("bob", LATER)]


async def test_totals_follow_an_amendment(database, ground, sent):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(value=Decimal("2.5")), now=NOW)
        assert await quantities(tx, [ground.question(), ground.question(ends_at=sent.at)]) == [Decimal("2.5"), 0]
        moved = Amendment(at=sent.at - timedelta(hours=1))
        await usage.amend(tx, event_id=sent.event_id, amendment=moved, now=NOW)
        assert await quantities(tx, [ground.question(ends_at=sent.at)]) == [Decimal("2.5")]


async def test_saying_the_same_again_leaves_no_trace(database, ground, sent):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        same = Amendment(value=Decimal("10.0"), at=sent.at, properties=sent.properties)
        for amendment in (Amendment(), same):
            assert (await usage.amend(tx, event_id=sent.event_id, amendment=amendment, now=NOW)).value == 10
        await usage.cancel(tx, event_id=sent.event_id, now=NOW)
        tx.outbox.clear()
        await usage.cancel(tx, event_id=sent.event_id, now=NOW)
        assert tx.outbox == []
        event = await usage.one(tx, event_id=sent.event_id)
        assert len(await usage.corrections(tx, event=event)) == 1


async def test_a_canceled_event_is_neither_amended_nor_counted_again(database, ground, sent):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.cancel(tx, event_id=sent.event_id, now=NOW)
        with pytest.raises(EventIsCanceled):
            await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(value=Decimal(1)), now=NOW)
        with pytest.raises(NotFound):
            await usage.cancel(tx, event_id="nobody", now=NOW)
    assert await used(database, sent) == [Intake.DUPLICATE]
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question()]) == [0]


async def test_the_number_that_a_meter_reads_is_amended_as_a_property(database):
    ground = await metered(database, property="gb")
    sent = ground.event(properties={"gb": "10"})
    await used(database, sent)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        with pytest.raises(BadProperty):
            await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(properties={}), now=NOW)
        await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(properties={"gb": "4"}), now=NOW)
        assert await quantities(tx, [ground.question()]) == [4]


async def test_who_corrects_at_once_does_so_one_after_another(database, ground, sent):
    async def add(value: int):
        async with database.transaction([ground.tenant_id], actor="test") as tx:
            await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(value=Decimal(value)), now=NOW)

    await asyncio.gather(*(add(value) for value in range(100, 108)))
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        event = await usage.one(tx, event_id=sent.event_id)
        kept = await usage.corrections(tx, event=event)
    olds, news = [each.old for each in kept], [each.new for each in kept]
    # Each began from what another one ended with: a chain, in whatever order they came.
    assert {each.value for each in news} - {each.value for each in olds} == {event.value}
    assert {each.value for each in olds} - {each.value for each in news} == {10}
    assert len(kept) == 8


async def test_everybody_hears_of_a_correction(database, ground, sent):
    moved = sent.at - timedelta(days=1)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(at=moved), now=NOW)
        await usage.cancel(tx, event_id=sent.event_id, now=NOW)
        first, second = [each.event for each in tx.outbox]
    assert (first.earliest_at, first.latest_at, first.is_canceled) == (moved, sent.at, False)
    assert (second.earliest_at, second.latest_at, second.is_canceled) == (moved, moved, True)
    assert first.meters == (ground.meter.code,)


async def test_there_is_an_end_to_correcting(database, ground, sent, monkeypatch):
    monkeypatch.setattr(correcting_module, "CORRECTIONS_MAX", 2)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        for value in (1, 2):
            await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(value=Decimal(value)), now=NOW)
        with pytest.raises(TooManyCorrections):
            await usage.amend(tx, event_id=sent.event_id, amendment=Amendment(value=Decimal(3)), now=NOW)
