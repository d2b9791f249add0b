"""Use that is paid for early: as soon as it comes to much, or before it is used at all. See docs/design/scenarios.md."""

from tests.support.bills import Bill, a_story, bill, bills
from tests.support.processes import until

CALLS = {
    "code": "calls",
    "name": "Calls",
    "meter": "calls",
    "prices": [{"currency": "EUR", "model": "per_unit", "unit_amount": "100"}],
}


async def the_invoices(world, organization_id, count):
    """Wait until so many are there: use that crosses a threshold is billed when it has been heard of."""

    async def there():
        found = await world.invoices(organization_id)
        return found if len(found) >= count else None

    return await until(there, what=f"{count} invoices")


async def test_15_use_is_billed_at_a_threshold_and_prepaid_credits_are_drawn_in_their_order(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        progressive = {"progressive": [{"amount": 10000, "currency": "EUR"}, {"amount": 20000, "currency": "EUR"}]}
        await world.plan("metered", amount=0, charges=[CALLS], billing=progressive)
        await world.plan("prepaid", amount=0, charges=[CALLS])
        await world.subscriber("hasty", "metered")
        await world.subscriber("thrifty", "prepaid")
        gifts = (
            {"amount": 1000, "name": "later", "priority": 2},
            {"amount": 700, "name": "soon", "priority": 1, "expires_at": "2026-07-15T00:00:00Z"},
            {"amount": 600, "name": "sooner", "priority": 1, "expires_at": "2026-07-10T00:00:00Z"},
        )
        for gift in gifts:
            await world.post("/api/customers/thrifty/prepaid-credits", {"currency": "EUR", **gift})

        await world.advance(to="2026-06-10T00:00:00Z")
        await world.use("below", 60, by="hasty")
        await world.use("frugal", 15, by="thrifty")
        await world.advance(to="2026-06-11T00:00:00Z")
        assert [made.total for made in await bills(world, "hasty")] == [0]
        await world.use("across", 50, by="hasty")
        crossed = (await the_invoices(world, "hasty", 2))[-1]
        assert [(line["kind"], line["amount"]) for line in crossed["lines"]] == [("usage", 11000)]
        assert crossed["issued_at"] == "2026-06-11T00:00:00Z"
        await world.advance(to="2026-06-20T00:00:00Z")
        await world.use("more", 40, by="hasty")
        await world.advance(to="2026-07-01T00:00:00Z")
        await world.use("july", 10, by="thrifty")
        await world.advance(to="2026-08-01T00:00:00Z")

        hasty = await bills(world, "hasty")
        assert [made.total for made in hasty] == [0, 11000, 4000, 0], "150 units at 1.00, of which 110 were billed"
        thrifty = await world.invoices("thrifty")
        assert bill(thrifty[1]).lines[:4] == [
            ("usage", 1500, "2026-06-01/2026-07-01"),
            ("prepaid", -600, "2026-06-01/2026-07-01"),
            ("prepaid", -700, "2026-06-01/2026-07-01"),
            ("prepaid", -200, "2026-06-01/2026-07-01"),
        ]
        assert [bill(each).total for each in thrifty] == [0, 0, 200]
        held = {each["name"]: each["left"] for each in await world.get("/api/customers/thrifty/prepaid-credits")}
        assert held == {"sooner": 0, "soon": 0, "later": 0}
        assert Bill(*hasty[1]).due == 0
