"""One trial a customer and plan: also where the trial was changed to another plan, and not where none was had."""

from tests.support.bills import a_story


async def test_who_tried_a_plan_and_changed_within_the_trial_has_tried_both(installation):
    async with a_story(installation, "2026-06-01") as world:
        for code in ("pro", "max"):
            await world.plan(code, amount=3000, trial_days=14)
        s = await world.subscriber()
        await world.advance(to="2026-06-10T00:00:00Z")
        await world.change(s, plan_id="max")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert (await world.subscribe(plan="max"))["status"] == "processing"
        assert (await world.subscribe(plan="pro"))["status"] == "processing"


async def test_a_trial_that_was_called_off_before_it_began_was_not_had(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, trial_days=14)
        s = await world.subscriber(starts_at="2026-07-01T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert (await world.subscribe())["status"] == "trialing"
