"""What a credit note leaves of an open invoice, and is too little to collect."""

from tests.support.bills import a_story
from tests.support.outcomes import payments_of, rest


async def test_what_a_note_leaves_and_is_too_little_is_collected_with_the_next_invoice(installation):
    async with a_story(installation, "2026-06-01") as world:
        [issuer] = await world.get("/api/issuers")
        answer = await world.http.patch(f"/api/issuers/{issuer['id']}", json={"minimum_charges": {"EUR": 50}})
        assert answer.status_code == 200
        await world.plan("pro", amount=3000)
        s = await world.subscriber()
        await rest(world)
        [card] = await world.get("/api/customers/acme/payment-methods")
        await world.delete(f"/api/customers/acme/payment-methods/{card['id']}")
        await world.advance(to="2026-07-01T00:10:00Z")
        _, july = await world.invoices()
        await world.post(f"/api/invoices/{july['id']}/credit-notes", {"reason": "Sorry", "amount": 2980})
        await rest(world)
        july = await world.get(f"/api/invoices/{july['id']}")
        assert (july["status"], july["amount_due"]) == ("paid", 0)
        await world.card("acme", "pm_card_ok")
        await world.advance(to="2026-08-01T00:00:10Z")
        assert (await world.subscription(s))["status"] == "active"
        paid = [each["amount"] for each in await payments_of(world) if each["status"] == "succeeded"]
        assert paid[::-1] == [3000, 3020]
