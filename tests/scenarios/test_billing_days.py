"""Which day it is: when an invoice is due, what happens when something was planned for a day, and where days were moved."""

from tests.scenarios.test_billing_dates import monthly
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
        assert await told(world) == ["payment.requested", *PAID, "subscription.paused"]
        await world.advance(to="2026-08-21T00:00:00Z")
        assert current_period(await world.subscription(made)) == "2026-08-20/2026-09-20"
        assert [each.due for each in await bills(world)] == [0, 0, 0]
