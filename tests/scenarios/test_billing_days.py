"""Which day it is: when an invoice is due, what happens when something was planned for a day, and where days were moved."""

from tests.support.bills import a_story


async def test_so_many_days_to_pay_end_on_that_date_though_the_clock_went_back(installation):
    async with a_story(installation, "2026-09-30T22:00") as world:  # 1 October, 00:00 in Berlin
        await world.plan("sent", amount=3000, billing={"collection": "send", "net_days": 30, "alignment": "calendar"})
        await world.customer("berlin", time_zone="Europe/Berlin")
        await world.subscribe("berlin", "sent")
        [invoice] = await world.invoices("berlin")
        assert invoice["issued_on"] == "2026-10-01"
        assert invoice["due_at"] == "2026-10-30T23:00:00Z", "31 October, 00:00 in Berlin"
