import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog.model import Aggregation
from guilder.domain.identity import service as identity
from guilder.domain.usage import handlers
from guilder.domain.usage import service as usage
from guilder.domain.usage.events import UsageAlertReached, UsageChanged
from guilder.domain.usage.model import AlertWindow, Amendment, NewAlert
from guilder.domain.usage.rules.alerts import BadAlert
from guilder.domain.usage.service import TooManyAlerts
from guilder.domain.usage.service import alerting as alerting_module
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.event import Message
from guilder.kernel.page import PageQuery
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reactions
from guilder.platform.clock import HandClock, WallClock
from guilder.wiring.reactions import REACTION_LIST
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.usage import metered

DAY = timedelta(days=1)
MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
async def ground(database):
    return await metered(database)


async def watch(database, ground, threshold=10, *, now=NOW, **over):
    new = NewAlert(
        **{"customer_id": ground.customer.id, "meter": ground.meter, "threshold": Decimal(threshold), **over}
    )
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        made = await usage.create_alert(tx, alert=new, now=now)
        return made, reached(tx)


def reached(tx):
    return [each.event for each in tx.outbox if isinstance(each.event, UsageAlertReached)]


async def use(database, ground, *events, now=NOW):
    """Record readings, and hear of them as the bus does, in a transaction of its own."""
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.record(tx, events=events, now=now)
        heard = heard_of(tx, now)
    return await hear(database, ground, heard, now)


def heard_of(tx, now):
    return [
        Message(id=each.id, event=each.event, occurred_at=now, actor="test")
        for each in tx.outbox
        if isinstance(each.event, UsageChanged)
    ]


async def hear(database, ground, messages, now=NOW):
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await handlers.on_usage_changed(tx, messages, now=now)
        return [(each.quantity, each.window_starts_at) for each in reached(tx)]


async def test_it_is_told_once_when_the_threshold_is_reached(database, ground):
    made, told = await watch(database, ground)
    assert told == []
    assert await use(database, ground, ground.event(at=NOW, value=Decimal("9.999999999999"))) == []
    assert await use(database, ground, ground.event(at=NOW, value=Decimal("0.000000000001"))) == [(10, MARCH)]
    assert await use(database, ground, ground.event(at=NOW, value=Decimal(50))) == []
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await usage.alert(tx, alert_id=made.id) == made


async def test_what_was_used_before_the_alerts_start_does_not_count(database, ground):
    await watch(database, ground, starts_at=MARCH + timedelta(hours=6))
    assert await use(database, ground, ground.event(at=MARCH, value=Decimal(50))) == []
    assert await use(database, ground, ground.event(at=NOW, value=Decimal(10))) == [(10, MARCH + timedelta(hours=6))]


async def test_what_is_reached_already_is_told_at_once(database, ground):
    await use(database, ground, ground.event(at=NOW, value=Decimal(12)))
    _, [told] = await watch(database, ground)
    assert (told.quantity, told.threshold, told.meter) == (12, 10, ground.meter.code)
    assert await use(database, ground, ground.event(at=NOW)) == []


async def test_one_that_recurs_is_told_in_every_month_and_others_once(database, ground):
    await watch(database, ground, is_recurring=True)
    await watch(database, ground)
    for month, times in ((MARCH, 2), (APRIL, 1)):
        now = month + 9 * DAY
        for expected in (times, 0):
            found = await use(database, ground, ground.event(at=now, value=Decimal(10)), now=now)
            assert found == [(10, month)] * expected


async def test_a_month_is_the_customers_own(database):
    ground = await metered(database, time_zone="Pacific/Auckland")
    await watch(database, ground, is_recurring=True)
    end_of_march_there = datetime(2026, 3, 31, 11, tzinfo=UTC)  # 13 hours ahead: April begins
    for at, expected in (
        (end_of_march_there - DAY, []),
        (end_of_march_there, []),
        (end_of_march_there, [(12, end_of_march_there)]),
    ):
        event = ground.event(at=at, value=Decimal(6))
        assert await use(database, ground, event, now=end_of_march_there + DAY) == expected


async def test_a_total_counts_over_months_and_is_told_once(database, ground):
    await watch(database, ground, window=AlertWindow.TOTAL)
    assert await use(database, ground, ground.event(at=NOW, value=Decimal(6))) == []
    later = NOW + 40 * DAY
    assert await use(database, ground, ground.event(at=later, value=Decimal(6)), now=later) == [(12, NOW)]
    assert await use(database, ground, ground.event(at=later, value=Decimal(60)), now=later) == []


async def test_late_use_may_reach_a_month_that_is_over(database, ground):
    await watch(database, ground, is_recurring=True)
    now = APRIL + DAY
    events = [ground.event(at=NOW, value=Decimal(10)), ground.event(at=now, value=Decimal(20))]
    assert await use(database, ground, *events, now=now) == [(10, MARCH), (20, APRIL)]


async def test_a_correction_may_reach_it_too(database, ground):
    await watch(database, ground)
    event = ground.event(at=NOW, value=Decimal(1))
    await use(database, ground, event)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.amend(tx, event_id=event.event_id, amendment=Amendment(value=Decimal(10)), now=NOW)
        heard = heard_of(tx, NOW)
    assert await hear(database, ground, heard) == [(10, MARCH)]


async def test_a_level_is_weighed_over_the_month_and_stands_on_into_the_next(database):
    ground = await metered(database, Aggregation.WEIGHTED_SUM)
    await watch(database, ground, is_recurring=True)
    sixteenth = MARCH + timedelta(days=15, hours=12)  # the middle of March
    found = await use(database, ground, ground.event(at=sixteenth, value=Decimal(12)), now=APRIL + DAY)
    assert found == [(12, APRIL)]


async def test_of_many_who_hear_at_once_one_tells(database, ground):
    await watch(database, ground)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.record(tx, events=[ground.event(at=NOW, value=Decimal(5)) for _ in range(4)], now=NOW)
        heard = heard_of(tx, NOW)
    told = await asyncio.gather(*(hear(database, ground, heard) for _ in range(8)))
    assert sorted(len(each) for each in told) == [0] * 7 + [1]


async def test_no_reading_slips_by_while_an_alert_is_made(database, ground):
    """The reading was taken in before the alert, and its transaction ends while the alert is being made."""
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.record(tx, events=[ground.event(at=NOW, value=Decimal(10))], now=NOW)
        making = asyncio.create_task(watch(database, ground))
        await asyncio.sleep(0.1)
        heard = heard_of(tx, NOW)
    _, told = await making
    assert len(told) + len(await hear(database, ground, heard)) == 1


async def test_only_its_own_customer_and_meter_reach_it(database, ground):
    await watch(database, ground)
    other = await metered(database)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        someone = await a_customer(tx)
    assert await use(database, ground, ground.event(customer_id=someone.id, at=NOW, value=Decimal(50))) == []
    assert await use(database, other, other.event(at=NOW, value=Decimal(50))) == []


async def test_one_that_is_removed_tells_no_more(database, ground):
    made, _ = await watch(database, ground)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.remove_alert(tx, alert_id=made.id, now=NOW)
        assert (await usage.alerts(tx, query=PageQuery())).items == []
        for alert_id in (made.id, ids.new(NOW)):
            with pytest.raises(NotFound):
                await usage.remove_alert(tx, alert_id=alert_id, now=NOW)
    assert await use(database, ground, ground.event(at=NOW, value=Decimal(50))) == []


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"threshold": 0}, "threshold"),
        ({"window": AlertWindow.TOTAL, "is_recurring": True}, "recurring"),
        ({"starts_at": NOW - timedelta(days=401)}, "from"),
    ],
)
async def test_what_would_never_be_told_or_never_stop_is_refused(database, ground, over, field):
    with pytest.raises(BadAlert) as refused:
        await watch(database, ground, **over)
    assert refused.value.field == field


async def test_a_level_has_no_total(database):
    with pytest.raises(BadAlert):
        await watch(database, await metered(database, Aggregation.WEIGHTED_SUM), window=AlertWindow.TOTAL)


async def test_a_customer_has_only_so_many(database, ground, monkeypatch):
    monkeypatch.setattr(alerting_module, "ALERTS_MAX", 2)
    for _ in range(2):
        await watch(database, ground)
    with pytest.raises(TooManyAlerts):
        await watch(database, ground)


async def test_the_house_hears_of_use_by_itself(database, ground):
    made, _ = await watch(database, ground)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        await usage.record(tx, events=[ground.event(at=NOW, value=Decimal(10))], now=NOW)
    of_usage = Reactions([each for each in REACTION_LIST if each.group == "usage"])
    await Consumer(database, of_usage, identity.Clocks(HandClock(NOW)), WallClock()).drain()
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        [row] = await tx.fetch("select payload::text from platform.log where name = 'usage.alert.reached'")
    assert str(made.id) in row["payload"]
    assert '"quantity": "10"' in row["payload"]


async def test_many_changes_take_as_many_statements_as_one(database, ground):
    asked = []
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        people = [await a_customer(tx) for _ in range(30)]
        for each in people:
            new = NewAlert(customer_id=each.id, meter=ground.meter, threshold=Decimal(10))
            await usage.create_alert(tx, alert=new, now=NOW)
        events = [ground.event(customer_id=each.id, at=NOW, value=Decimal(10)) for each in people]
        await usage.record(tx, events=events, now=NOW)
        heard = heard_of(tx, NOW)
        tx.outbox.clear()

        async def judged(messages):
            asked.clear()
            tx.connection.add_query_logger(asked.append)
            await handlers.on_usage_changed(tx, messages, now=NOW)
            tx.connection.remove_query_logger(asked.append)
            await asyncio.sleep(0)  # a statement is logged a moment after it ran
            return len(asked)

        await judged(heard[:1])
        assert await judged(heard[1:2]) == await judged(heard[2:])
        assert len(reached(tx)) == 30
