"""What products are told of access after refunds: that it ended where it did, once, and that it is there again."""

from tests.support.bills import a_story
from tests.support.outcomes import is_eligible, payments_of, rest

ACCESS = "entitlements.access."


async def told_of_access(world):
    return [each.removeprefix(ACCESS) for each in await world.heard() if each.startswith(ACCESS)]


async def refunded(world, payment, **over):
    said = {"payment_id": payment["id"], "reason": "not used", "ends_access": True, **over}
    await world.post("/api/refunds", said, expect=(202,))
    await rest(world)


async def test_a_refund_of_a_period_that_is_over_ends_no_access(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.subscriber()
        await world.advance(to="2026-07-10T00:00:00Z")
        assert await told_of_access(world) == ["granted"]
        [_, june] = await payments_of(world)
        await refunded(world, june)
        assert await is_eligible(world)
        assert await told_of_access(world) == []


async def test_access_that_ended_with_a_refund_is_told_to_be_there_again_with_the_next_period(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.subscriber()
        await world.advance(to="2026-06-10T00:00:00Z")
        [june] = await payments_of(world)
        await refunded(world, june, amount=1000)
        await refunded(world, june)
        assert await told_of_access(world) == ["granted", "ended"]
        await world.advance(to="2026-07-01T00:10:00Z")
        assert await is_eligible(world)
        assert await told_of_access(world) == ["granted"]


async def test_time_that_was_refunded_is_not_told_to_be_there_after_a_pause(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        s = await world.subscriber()
        await world.advance(to="2026-06-11T00:00:00Z")
        [june] = await payments_of(world)
        await refunded(world, june)
        assert await told_of_access(world) == ["granted", "ended"]
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-07-01T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/resume", {})
        await rest(world)
        assert not await is_eligible(world)
        assert await told_of_access(world) == []
        await world.advance(to="2026-07-25T00:00:00Z")
        assert await is_eligible(world)
        assert await told_of_access(world) == ["granted"]
