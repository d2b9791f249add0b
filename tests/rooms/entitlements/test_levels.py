"""Limits on a level, which is weighed by time: what is dated before the period stands on into it."""

from guilder.domain.catalog.model import Aggregation
from tests.rooms.entitlements.test_limits import CALLS, DAY, Metering


async def test_a_level_from_before_the_period_that_is_heard_of_late_counts_in_it(ground):
    metering = await Metering.of(ground, CALLS, aggregation=Aggregation.WEIGHTED_SUM)
    before = metering.subscription.current_period.starts_at - DAY
    assert await metering.uses(90, at=before) == [("calls", 80, 90)]
    assert (await metering.limit()).left == 10
    assert await metering.uses(-40, at=before) == []
    assert (await metering.limit()).left == 50
