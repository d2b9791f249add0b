"""A commitment that was made up for by several lines gives back of each no more than it came to."""

from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story


async def test_a_commitment_of_several_lines_gives_back_of_each_what_it_has(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        billing = {"commitments": [{"amount": 5000, "currency": "EUR"}]}
        await world.plan("pro", amount=0, charges=[calls(each("10"))], billing=billing)
        await world.subscriber()
        await world.use("a", 40)
        await world.advance(to="2026-07-02T00:00:00Z")
        await world.post("/api/usage/a/cancel")
        await world.advance(to="2026-08-02T00:00:00Z")
        await world.use("b", 600, timestamp="2026-06-20T00:00:00Z")
        await world.advance(to="2026-09-02T00:00:00Z")
        lines = [line for made in await world.invoices() for line in made["lines"] if line["kind"] == "commitment"]
        assert [line["amount"] for line in lines if line["period_start"].startswith("2026-06")] == [
            4600,
            400,
            -4600,
            -400,
        ]
        made_up, more, first, second = [line for line in lines if line["period_start"].startswith("2026-06")]
        assert (first["credits_line_id"], second["credits_line_id"]) == (made_up["id"], more["id"])
