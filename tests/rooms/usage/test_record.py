import asyncio
import random
from datetime import timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest
from msgspec.structs import replace

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage import service as usage
from guilder.domain.usage.events import UsageRecorded
from guilder.domain.usage.model import Intake, SentReading
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.page import PageQuery
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.usage import a_meter, an_event, metered, quantities, used

COUNTED, DUPLICATE = Intake.COUNTED, Intake.DUPLICATE


@pytest.fixture
async def ground(database):
    return await metered(database)


async def test_an_event_is_read_as_it_was_sent(database, ground):
    sent = ground.event(value=Decimal("1.250"), properties={"zone": "eu"}, at=NOW - timedelta(microseconds=1))
    assert await used(database, sent) == [COUNTED]
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        found = await usage.one(tx, event_id=sent.event_id)
    assert (found.event_id, found.at, found.value, found.properties) == (
        sent.event_id,
        sent.at,
        Decimal("1.25"),
        {"zone": "eu"},
    )
    assert (found.meter_code, found.customer_id, found.received_at) == (ground.meter.code, ground.customer.id, NOW)


async def test_a_batch_of_unlike_events_is_read_as_it_was_sent(database, ground):
    subscription_id = uuid4()
    sent = [
        ground.event(properties={}),
        ground.event(properties={"said": 'a\nb\r\n"c", {d}\\ é\u2028'}),
        ground.event(properties={"a": ""}, value=Decimal("-0.000000000001")),
        ground.event(subscription_id=subscription_id, value=Decimal("1E+3")),
        ground.event(event_id="NULL", value=Decimal("-999999999999999999.999999999999")),
        ground.event(
            event_id='{"a",b}\\', at=(NOW - timedelta(hours=3)).astimezone(timezone(timedelta(hours=5, minutes=30)))
        ),
    ]
    assert await used(database, *sent) == [COUNTED] * len(sent)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        found = [await usage.one(tx, event_id=each.event_id) for each in sent]
    assert [(each.at, each.value, each.properties, each.subscription_id) for each in found] == [
        (each.at, each.value, each.properties, each.subscription_id) for each in sent
    ]


async def test_a_batch_of_which_some_were_there_says_which(database, ground):
    sent = [ground.event() for _ in range(5)]
    assert await used(database, sent[1], sent[3]) == [COUNTED] * 2
    assert await used(database, *sent, sent[0]) == [COUNTED, DUPLICATE, COUNTED, DUPLICATE, COUNTED, DUPLICATE]
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question()]) == [5]


async def test_an_id_of_two_lines_is_no_two_events(database, ground):
    with pytest.raises(Invalid) as refused:
        await used(database, ground.event(event_id="one\nand another"), ground.event())
    assert refused.value.field == "events[0].event_id"
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question()]) == [0]


async def test_an_id_is_counted_once_whatever_else_is_said_of_it(database, ground):
    sent = ground.event(value=Decimal(3))
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        someone = await a_customer(tx)
    again = [
        sent,
        replace(sent, value=Decimal(100)),
        replace(sent, at=sent.at - timedelta(days=300)),
        replace(sent, customer_id=someone.id),
    ]
    assert await used(database, sent) == [COUNTED]
    assert await used(database, *again) == [DUPLICATE] * 4
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question(), ground.question(customer_id=someone.id)]) == [3, 0]
        assert tx.outbox == []


async def test_of_one_id_twice_in_a_batch_the_first_counts(database, ground):
    first = ground.event(event_id="a", value=Decimal(1))
    batch = [first, ground.event(event_id="b"), replace(first, value=Decimal(50))]
    assert await used(database, *batch) == [COUNTED, COUNTED, DUPLICATE]
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question()]) == [2]


async def test_another_tenant_may_use_the_same_id(database, ground):
    other = await metered(database)
    assert await used(database, ground.event(event_id="a")) == [COUNTED]
    assert await used(database, other.event(event_id="a")) == [COUNTED]


async def test_of_many_who_send_the_same_events_at_once_each_is_counted_once(database, ground):
    """Overlapping batches, each in an order of its own, in transactions that overlap and of which some fail."""
    everything = [ground.event(event_id=f"e{n}", value=Decimal(n)) for n in range(60)]

    async def send(seed: int):
        dice = random.Random(seed)
        batch = dice.sample(everything, 40)
        async with database.transaction([ground.tenant_id], actor="test") as tx:
            answers = await usage.record(tx, events=batch, now=NOW)
            await asyncio.sleep(dice.random() * 0.02)
            if seed % 4 == 0:
                raise KeyError(seed)  # the process dies before its commit
        return sum(each is COUNTED for each in answers)

    done = await asyncio.gather(*(send(seed) for seed in range(24)), return_exceptions=True)
    assert {type(each) for each in done} == {int, KeyError}, done
    await used(database, *everything)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question()]) == [sum(range(60))]
        rows = await usage.listing(tx, query=PageQuery(limit=200))
    assert len(rows.items) == 60


async def test_the_latest_of_one_instant_is_the_last_of_its_batch(database):
    for names in ("ab", "ba"):
        ground = await metered(database, Aggregation.LATEST)
        await used(database, *(ground.event(event_id=name, value=Decimal(n)) for n, name in enumerate(names)))
        async with database.transaction([ground.tenant_id], actor="test") as tx:
            assert await quantities(tx, [ground.question()]) == [1]


async def test_a_batch_is_counted_whole_or_not_at_all(database, ground):
    batch = [ground.event(), ground.event(), ground.event(at=NOW + timedelta(days=1))]
    with pytest.raises(Invalid) as refused:
        await used(database, *batch)
    assert refused.value.field == "events[2].timestamp"
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert (await usage.listing(tx, query=PageQuery())).items == []


async def test_each_customer_of_a_batch_is_told_of_once(database, ground):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        second, meter = await a_customer(tx), await a_meter(tx)
        await usage.record(tx, events=[ground.event(event_id="known", at=NOW - timedelta(days=9))], now=NOW)
        tx.outbox.clear()
        batch = [
            ground.event(at=NOW - timedelta(days=3)),
            ground.event(at=NOW - timedelta(days=2), meter=meter),
            ground.event(event_id="known", at=NOW - timedelta(days=9)),
            an_event(customer_id=second.id, meter=meter, at=NOW),
        ]
        await usage.record(tx, events=batch, now=NOW)
        told = [each.event for each in tx.outbox]
    assert told == [
        UsageRecorded(
            tenant_id=ground.tenant_id,
            customer_id=ground.customer.id,
            meters=tuple(sorted([ground.meter.code, meter.code])),
            earliest_at=NOW - timedelta(days=3),
            latest_at=NOW - timedelta(days=2),
        ),
        UsageRecorded(
            tenant_id=ground.tenant_id,
            customer_id=second.id,
            meters=(meter.code,),
            earliest_at=NOW,
            latest_at=NOW,
        ),
    ]


async def test_a_thousand_take_as_many_statements_as_one(database, ground):
    asked = []

    async def counted(size: int) -> int:
        async with database.transaction([ground.tenant_id], actor="test") as tx:
            readings = [
                SentReading(
                    path=f"events[{n}]",
                    event_id=f"{size}-{n}-{len(asked)}",
                    meter=ground.meter.code,
                    organization_id=ground.customer.organization_id,
                )
                for n in range(size)
            ]
            asked.clear()
            tx.connection.add_query_logger(asked.append)
            await usage.receive(tx, readings=readings, now=NOW)
            tx.connection.remove_query_logger(asked.append)
            await asyncio.sleep(0)  # a statement is logged a moment after it ran
            return len(asked)

    await counted(1)  # makes the watermark, and the driver learns the types
    assert await counted(1) == await counted(1000) <= 6  # meters, customers and their keys, gates, watermarks, events


async def test_what_is_not_the_tenants_is_unknown(database, ground):
    other = await metered(database)
    named = {"path": "events[0]", "event_id": "e", "meter": ground.meter.code}
    for over, field in (
        ({"organization_id": other.customer.organization_id}, "organization_id"),
        ({"customer_id": other.customer.id}, "customer_id"),
        ({"organization_id": ground.customer.organization_id, "meter": other.meter.code}, "meter"),
    ):
        with pytest.raises(Invalid) as refused:
            async with database.transaction([ground.tenant_id], actor="test") as tx:
                await usage.receive(tx, readings=[SentReading(**{**named, **over})], now=NOW)
        assert refused.value.field == f"events[0].{field}"


async def test_a_forgotten_filter_shows_nothing_of_another_tenant(database, ground):
    other = await metered(database)
    sent = other.event()
    await used(database, sent)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        for table in ("events", "corrections", "watermarks", "late", "alerts", "alerts_reached"):
            assert await tx.fetch(f"select * from usage.{table}") == []
        with pytest.raises(NotFound):
            await usage.one(tx, event_id=sent.event_id)
        with pytest.raises(NotFound):
            await usage.cancel(tx, event_id=sent.event_id, now=NOW)


async def test_lists_are_narrowed_by_customer_meter_and_time_and_page(database, ground):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        second, meter = await a_customer(tx), await a_meter(tx)
        mine = [ground.event(event_id=f"e{n}", at=NOW - timedelta(days=n)) for n in range(5)]
        await usage.record(tx, events=mine, now=NOW)
        await usage.record(tx, events=[an_event(event_id="x", customer_id=second.id, meter=meter)], now=NOW)

        async def names(**over):
            found = await usage.listing(tx, query=over.pop("query", PageQuery()), **over)
            return [each.event_id for each in found.items], found.next_after

        assert (await names())[0] == ["x", "e4", "e3", "e2", "e1", "e0"]
        assert (await names(customer_id=second.id))[0] == (await names(meter=meter.code))[0] == ["x"]
        within = {"starts_at": NOW - timedelta(days=3), "ends_at": NOW - timedelta(days=1)}
        assert (await names(**within, meter=ground.meter.code))[0] == ["e3", "e2"]
        first, after = await names(query=PageQuery(limit=4))
        assert first + (await names(query=PageQuery(limit=4, after=after)))[0] == ["x", "e4", "e3", "e2", "e1", "e0"]
