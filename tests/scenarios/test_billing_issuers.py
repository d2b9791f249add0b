"""Several issuers: what gives back what one of them billed is on a document of that one, in its own series."""

from tests.support.bills import a_story
from tests.support.outcomes import rest

OTHER = {"legal_name": "Other GmbH", "number_format": "OTH-{number:04}", "credit_note_format": "OTC-{number:04}"}


async def made_default(world):
    """Another issuer, by whom everything is billed from here on that names none."""
    other = await world.post("/api/issuers", OTHER)
    await world.post(f"/api/issuers/{other['id']}/default")
    return other


async def test_unused_time_is_given_back_by_whoever_billed_it(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "credit"})
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        await made_default(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        await rest(world)
        assert [(each["number"], each["total"]) for each in await world.invoices()] == [
            ("INV-2026-00001", 3000),
            ("CN-2026-00001", -1500),
        ]


async def test_a_change_within_a_period_is_of_who_billed_the_period_and_the_next_one_is_not(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000)
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        await made_default(world)
        await world.change(s, plan_id="max", when="now")
        await world.change(s, plan_id="pro", when="now")
        await world.advance(to="2026-07-01T00:10:00Z")
        assert [(each["number"], each["total"]) for each in await world.invoices()] == [
            ("INV-2026-00001", 3000),
            ("INV-2026-00002", 1500),
            ("CN-2026-00001", -1500),
            ("OTH-0001", 3000),
        ]
