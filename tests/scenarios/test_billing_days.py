"""Which day it is: when an invoice is due, what happens when something was planned for a day, and where days were moved."""

import pytest

from tests.scenarios.test_billing_dates import fees, monthly
from tests.support.arithmetic import Span, instant, part_of, seconds, span
from tests.support.bills import PAID, a_story, bills, current_period, told
from tests.support.outcomes import a_subscriber, rest


async def test_so_many_days_to_pay_end_on_that_date_though_the_clock_went_back(installation):
    async with a_story(installation, "2026-09-30T22:00") as world:  # 1 October, 00:00 in Berlin
        await world.plan("sent", amount=3000, billing={"collection": "send", "net_days": 30, "alignment": "calendar"})
        await world.customer("berlin", time_zone="Europe/Berlin")
        await world.subscribe("berlin", "sent")
        [invoice] = await world.invoices("berlin")
        assert invoice["issued_on"] == "2026-10-01"
        assert invoice["due_at"] == "2026-10-30T23:00:00Z", "31 October, 00:00 in Berlin"


@pytest.mark.slow
async def test_a_pause_that_was_planned_begins_with_the_payment_where_the_period_ran_out_while_suspended(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        card = await a_subscriber(world, "pm_card_once")  # June is paid, July is not
        made = await world.subscribe(payment_method_id=card["id"])
        await world.advance(to="2026-07-02T00:00:00Z")
        await world.post(
            f"/api/subscriptions/{made['id']}/pause", {"when": "period_end", "resume_at": "2026-08-20T00:00:00Z"}
        )
        await world.advance(to="2026-08-05T00:00:00Z")
        assert (await world.subscription(made))["status"] == "suspended"
        await told(world)
        await world.card("acme", "pm_card_ok")
        await rest(world)

        months = monthly("2026-06-01", 2, amount=3000)
        assert (await world.subscription(made))["status"] == "paused"
        assert [each.lines for each in await bills(world)] == [[month] for month in months]
        assert await told(world) == ["subscription.method_changed", "payment.requested", *PAID, "subscription.paused"]
        await world.advance(to="2026-08-21T00:00:00Z")
        assert current_period(await world.subscription(made)) == "2026-08-20/2026-09-20"
        assert [each.due for each in await bills(world)] == [0, 0, 0]


async def test_what_was_planned_before_the_billing_day_was_moved_keeps_to_the_new_day(installation):
    async with a_story(installation, "2026-06-01") as world:
        cycles = (("monthly", 3000), ("yearly", 30000))
        await world.plan("pro", prices=[{"billing_cycle": c, "amount": a, "currency": "EUR"} for c, a in cycles])
        await world.plan("max", amount=6200)
        to_a_year, to_max = await world.subscriber("year"), await world.subscriber("max")
        await rest(world)
        await world.change(to_a_year, billing_cycle="yearly", when="period_end")
        await world.change(to_max, plan_id="max", when="period_end")
        for each in (to_a_year, to_max):
            moved = await world.post(f"/api/subscriptions/{each['id']}/billing-day", {"billing_day": 15})
            assert moved["billing"]["billing_day"] == 15
        await world.advance(to="2026-07-16T00:00:00Z")

        year = span("2025-07-15", "yearly")
        stub = part_of(30000, seconds(Span(instant("2026-07-01"), year.ends_at), year))
        assert await fees(world, "year") == [
            *monthly("2026-06-01", 1, amount=3000),
            ("recurring", stub, "2026-07-01/2026-07-15"),
            ("recurring", 30000, "2026-07-15/2027-07-15"),
        ]
        month = span("2026-06-15", "monthly")
        stub = part_of(6200, seconds(Span(instant("2026-07-01"), month.ends_at), month))
        assert await fees(world, "max") == [
            *monthly("2026-06-01", 1, amount=3000),
            ("recurring", stub, "2026-07-01/2026-07-15"),
            *monthly("2026-07-15", 1, amount=6200),
        ]
        assert {(await world.subscription(each))["billing"]["billing_day"] for each in (to_a_year, to_max)} == {15}


async def test_a_trial_takes_the_length_of_the_plan_that_it_changes_to_on_a_date(installation):
    async with a_story(installation, "2026-06-01") as world:
        for code, amount, days in (("pro", 3000, 14), ("max", 6000, 30), ("brief", 6000, 3), ("plain", 6000, 0)):
            await world.plan(code, amount=amount, trial_days=days)
        trying = {code: await world.subscriber(code, "pro") for code in ("max", "brief", "plain")}
        await world.advance(to="2026-06-03T00:00:00Z")
        for code, each in trying.items():
            await world.change(each, plan_id=code, effective_at="2026-06-05T00:00:00Z")
        await world.advance(to="2026-06-06T00:00:00Z")
        longer = await world.subscription(trying["max"])
        assert (longer["status"], longer["trial_ends_at"]) == ("trialing", "2026-07-01T00:00:00Z")
        await world.advance(to="2026-07-02T00:00:00Z")

        # A trial of three days was over before the change: it ends with it, as one does that the plan does not have.
        for code in ("brief", "plain"):
            assert await fees(world, code) == monthly("2026-06-05", 1, amount=6000)
        assert await fees(world, "max") == monthly("2026-07-01", 1, amount=6000)
        assert {(await world.subscription(each))["status"] for each in trying.values()} == {"active"}
