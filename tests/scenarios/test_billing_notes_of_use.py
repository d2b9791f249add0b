"""A credit note of use that was billed early, while its period runs: it was earned at once, and is taken out of that."""

from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story
from tests.support.database import connected


async def test_a_note_of_use_billed_early_takes_nothing_of_what_is_deferred(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        progressive = {"progressive": [{"amount": 1000, "currency": "EUR"}]}
        await world.plan("metered", amount=0, charges=[calls(each("10"))], billing=progressive)
        await world.subscriber(plan="metered")
        await world.advance(to="2026-06-10T00:00:00Z")
        await world.use("first", 150)
        await world.advance(to="2026-06-11T00:00:00Z")
        early = next(made for made in await world.invoices() if made["total"] == 1500)
        await world.post(f"/api/invoices/{early['id']}/credit-notes", {"reason": "a gift", "amount": 500})
        assert await booked(world) == {"revenue": -1000}


async def booked(world):
    """Return what revenue and deferred revenue come to so far, but for what is nothing."""
    async with connected(world.installation.urls.admin) as admin:
        rows = await admin.fetch(
            """select account, sum(amount_minor)::bigint as minor from ledger.postings
               where tenant_id = $1 and account in ('revenue', 'deferred_revenue') group by account""",
            world.tenant_id,
        )
    return {row["account"]: row["minor"] for row in rows if row["minor"]}
