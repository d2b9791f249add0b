"""Access after money went back."""

from tests.support.bills import a_story
from tests.support.outcomes import is_eligible, payments_of, rest


async def test_a_refund_of_a_shared_invoice_ends_the_access_to_all_that_it_paid_for(installation):
    async with a_story(installation, "2026-06-01") as world:
        [issuer] = await world.get("/api/issuers")
        answer = await world.http.patch(f"/api/issuers/{issuer['id']}", json={"consolidates": True})
        assert answer.status_code == 200
        await world.customer()
        card = await world.card("acme", "pm_card_ok")
        for code in ("one", "two"):
            await world.plan(code, amount=1000)
            await world.subscribe("acme", code, payment_method_id=card["id"])
        await world.advance(to="2026-07-01T00:00:00Z")
        await rest(world)
        [shared] = [each for each in await payments_of(world) if each["amount"] == 2000]
        said = {"payment_id": shared["id"], "reason": "not used", "ends_access": True}
        await world.post("/api/refunds", said, expect=(202,))
        await rest(world)
        assert not await is_eligible(world)
        await world.advance(to="2026-08-01T00:00:01Z")
        assert await is_eligible(world), "August is paid for"
