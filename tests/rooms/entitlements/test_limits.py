"""What is left of limits: counted from the readings, begun anew with each period, told of at 80 and 100 %."""

from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog.model import Aggregation, Limit
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements.events import LimitReached
from guilder.domain.entitlements.rules import standing as rules
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import SubscriptionActivated, SubscriptionRenewed
from guilder.domain.usage import service as usage
from tests.support.builders.catalog import a_meter, a_plan
from tests.support.builders.entitlements import about, heard
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription
from tests.support.builders.usage import an_event

DAY = timedelta(days=1)
CALLS = Limit(code="calls", name="Calls", included=100, meter="calls", is_hard=True)


class Metering:
    """A customer whose plan counts calls."""

    def __init__(self, ground, meter, subscription):
        self.ground, self.meter, self.subscription = ground, meter, subscription

    @classmethod
    async def of(cls, ground, *limits, **about_meter):
        async with ground.tx() as tx:
            meter = await a_meter(tx, **{"aggregation": Aggregation.SUM, **about_meter})
            plan = await a_plan(tx, code="pro", limits=limits)
            subscription = await a_subscription(tx, ground.customer, plan, is_active=True)
        metering = cls(ground, meter, subscription)
        await metering.tell(SubscriptionActivated, status="active")
        return metering

    async def tell(self, kind, *, now=NOW, **more):
        period = self.subscription.current_period
        said = about(kind, self.subscription, period_starts_at=period.starts_at, period_ends_at=period.ends_at, **more)
        await self.ground.hear(handlers.on_subscription_moved, said, now=now)

    async def uses(self, value, *, at=NOW, event_id=None):
        """Record a reading, and have entitlements hear of it; return the thresholds that were told of."""
        named = {"event_id": event_id} if event_id else {}
        async with self.ground.tx() as tx:
            event = an_event(
                customer_id=self.ground.customer.id, meter=self.meter, at=at, value=Decimal(value), **named
            )
            await usage.record(tx, events=[event], now=max(at, NOW))
            said = [each.event for each in tx.outbox]
        return await self.hears(*said)

    async def hears(self, *events):
        async with self.ground.tx() as tx:
            await handlers.on_usage_changed(tx, [heard(each) for each in events], now=NOW)
            told = [each.event for each in tx.outbox if isinstance(each.event, LimitReached)]
        self.said = list(events)
        return [(each.code, each.percent, each.used) for each in told]

    async def limit(self, code="calls", *, now=NOW):
        found = await self.ground.standing(now=now)
        return next(each for each in rules.limits(found) if each.code == code)


@pytest.fixture
async def metering(ground):
    return await Metering.of(ground, CALLS)


async def test_what_is_used_is_no_longer_left(metering):
    assert (await metering.limit()).left == 100
    await metering.uses(30)
    await metering.uses(12)
    found = await metering.limit()
    assert (found.used, found.left, found.quantity, found.is_over) == (42, 58, 42, False)
    assert found.resets_at == metering.subscription.current_period.ends_at


async def test_a_part_of_a_unit_is_used_whole_and_kept_exact(metering):
    await metering.uses("0.25")
    found = await metering.limit()
    assert (found.used, found.left, found.quantity) == (1, 99, Decimal("0.25"))


async def test_what_is_heard_again_counts_once(metering):
    await metering.uses(30)
    await metering.hears(*metering.said)
    assert (await metering.limit()).used == 30


async def test_what_is_corrected_is_left_again(metering):
    await metering.uses(30, event_id="e-1")
    async with metering.ground.tx() as tx:
        await usage.cancel(tx, event_id="e-1", now=NOW)
        said = [each.event for each in tx.outbox]
    await metering.hears(*said)
    assert (await metering.limit()).left == 100


async def test_what_was_used_before_the_period_does_not_count(metering):
    before = metering.subscription.current_period.starts_at - timedelta(seconds=1)
    await metering.uses(30, at=before)
    assert (await metering.limit()).used == 0


async def test_it_begins_anew_with_the_next_period(metering):
    await metering.uses(30)
    ends_at = metering.subscription.current_period.ends_at
    async with metering.ground.tx() as tx:
        await subscriptions.roll_due(tx, refs=[metering.subscription.ref], now=ends_at)
        metering.subscription = await subscriptions.one(tx, ref=metering.subscription.ref)
    await metering.tell(SubscriptionRenewed, now=ends_at)
    found = await metering.limit(now=ends_at)
    assert (found.used, found.left, found.starts_at) == (0, 100, ends_at)


async def test_thresholds_are_told_of_once_each(metering):
    assert await metering.uses(79) == []
    assert await metering.uses(1) == [("calls", 80, 80)]
    assert await metering.uses(10) == []
    assert await metering.uses(10) == [("calls", 100, 100)]
    assert await metering.uses(10) == []


async def test_of_two_at_once_the_higher_is_told_of(metering):
    assert await metering.uses(120) == [("calls", 100, 120)]
    assert await metering.uses(1) == []


async def test_beyond_a_hard_limit_nothing_is_allowed_and_beyond_another_it_is_overage(ground):
    soft = Limit(code="soft", name="Calls", included=100, meter="calls")
    metering = await Metering.of(ground, CALLS, soft)
    await metering.uses(100)
    for code, allows_more in (("calls", False), ("soft", True)):
        found = await metering.limit(code)
        assert (found.left, found.is_over, found.allows_more) == (0, False, allows_more)
    await metering.uses("0.5")
    assert (await metering.limit("soft")).is_over


async def test_what_two_plans_include_adds_up_and_use_counts_once(ground):
    metering = await Metering.of(ground, CALLS)
    async with ground.tx() as tx:
        plan = await a_plan(tx, code="more", limits=(Limit(code="calls", name="Calls", included=50, meter="calls"),))
        more = await a_subscription(tx, ground.customer, plan, is_active=True)
    first, metering.subscription = metering.subscription, more
    await metering.tell(SubscriptionActivated, status="active")
    assert await metering.uses(110) == []
    found = await metering.limit()
    assert (found.included, found.used, found.left) == (150, 110, 40)
    assert await metering.uses(10) == [("calls", 80, 120)]
    assert first.id != more.id


async def test_a_limit_without_a_meter_counts_nothing(ground):
    metering = await Metering.of(ground, Limit(code="seats", name="Seats", included=5))
    assert await metering.uses(30) == []
    assert (await metering.limit("seats")).left == 5


async def test_without_an_end_there_is_nothing_to_reach(ground):
    metering = await Metering.of(ground, Limit(code="calls", name="Calls", included=None, meter="calls"))
    assert await metering.uses(10**6) == []
    found = await metering.limit()
    assert (found.used, found.left, found.is_over) == (10**6, None, False)
