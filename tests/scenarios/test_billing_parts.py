"""Parts of a period that belong together: before and after a pause, a change, a moved billing day."""

import pytest

from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story, bills

EUR = "EUR"


async def amounts_of(world, kind):
    return [line[1] for made in await bills(world) for line in made.lines if line[0] == kind]


@pytest.mark.slow
async def test_kept_time_stays_paid_where_the_billing_day_is_moved(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "credit"})
        await world.plan("max", amount=6000)
        upgraded, ended = await world.subscriber("upgraded"), await world.subscriber("ended")
        await world.advance(to="2026-06-11T00:00:00Z")
        for s in (upgraded, ended):
            await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-07-01T00:00:00Z")
        for s in (upgraded, ended):
            await world.post(f"/api/subscriptions/{s['id']}/resume")
            await world.post(f"/api/subscriptions/{s['id']}/billing-day", {"billing_day": 15})
        await world.advance(to="2026-07-11T00:00:00Z")  # 10 of 30 days are left
        await world.change(upgraded, plan_id="max", when="now")
        await world.delete(f"/api/subscriptions/{ended['id']}", when="now")
        [*_, change] = await bills(world, "upgraded")
        assert [line[:2] for line in change.lines] == [("proration_credit", -1000), ("proration_charge", 2000)]
        [*_, note] = await bills(world, "ended")
        assert [line[:2] for line in note.lines] == [("proration_credit", -1000)]


@pytest.mark.slow
async def test_a_fee_in_arrears_of_a_month_before_is_not_taken_for_kept_time(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("arrears", amount=3000, billing={"in_arrears": True, "unused_on_cancel": "credit"})
        s = await world.subscriber("acme", "arrears")
        await world.advance(to="2026-07-11T00:00:00Z")  # June is billed
        await world.post(f"/api/subscriptions/{s['id']}/pause", {"when": "now"})
        await world.advance(to="2026-08-01T00:00:00Z")
        await world.post(f"/api/subscriptions/{s['id']}/resume")
        await world.advance(to="2026-08-06T00:00:00Z")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        await world.advance(to="2026-09-01T00:00:00Z")
        assert await amounts_of(world, "proration_credit") == []
        assert sum(await amounts_of(world, "recurring")) in (3000 + 1452, 3000 + 1451)  # June, and 10 and 5 of 31 days


@pytest.mark.slow
async def test_another_interval_at_the_very_start_of_a_period_is_charged_once(installation):
    async with a_story(installation, "2026-06-01") as world:
        cycles = (("monthly", 3000), ("quarterly", 9200))
        prices = [{"billing_cycle": cycle, "amount": amount, "currency": EUR} for cycle, amount in cycles]
        await world.plan("keep", prices=prices, billing={"interval_change": "keep"})
        s = await world.subscriber("acme", "keep")
        await world.advance(to="2026-08-01T00:00:00Z")  # the month of August has just begun, and is billed
        await world.change(s, billing_cycle="quarterly", when="now")  # a stub up to 1 September, 31 of 92 days
        charged = [line for made in await bills(world) for line in made.lines if line[2] == "2026-08-01/2026-09-01"]
        assert sorted(line[:2] for line in charged) == [
            ("proration_credit", -3000),
            ("recurring", 3000),
            ("recurring", 3100),
        ]


async def test_a_level_weighed_by_time_costs_its_share_of_each_part(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter("calls", "weighted_sum", property="gb")
        for code, amount in (("pro", 3000), ("max", 6000)):
            await world.plan(code, amount=amount, charges=[calls(each("100"))])
        s = await world.subscriber()
        level = {"event_id": "level", "organization_id": "acme", "meter": "calls", "properties": {"gb": 10}}
        await world.post("/api/usage", level)
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, plan_id="max", when="now")
        await world.advance(to="2026-07-01T00:00:00Z")
        assert await amounts_of(world, "usage") == [500, 500]  # 10 GB for a month at 1.00


async def test_a_commitment_counts_what_was_before_a_kept_pause(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        for code, least in (("pro", 5000), ("more", 7000)):
            billing = {"commitments": [{"amount": least, "currency": EUR}]}
            await world.plan(code, amount=6000, charges=[calls(each("10"))], billing=billing)
        enough, short = await world.subscriber("enough", "pro"), await world.subscriber("short", "more")
        await world.advance(to="2026-06-16T00:00:00Z")
        for s in (enough, short):
            pause = {"when": "now", "resume_at": "2026-07-01T00:00:00Z"}
            await world.post(f"/api/subscriptions/{s['id']}/pause", pause)
        await world.advance(to="2026-07-16T00:00:00Z")
        missing = {
            name: [line[1] for made in await bills(world, name) for line in made.lines if line[0] == "commitment"]
            for name in ("enough", "short")
        }
        assert missing == {"enough": [], "short": [1000]}  # 6000 were paid for the period
