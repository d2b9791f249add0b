"""What company products charge, where it is not paid: written off, and paid after all."""

from tests.support.bills import a_story
from tests.support.outcomes import rest

EVENT = {"specversion": "1.0", "id": "job-1", "source": "studio", "type": "orders.charge.requested"}


async def told_of_charges(world):
    return [each.removeprefix("orders.charge.") for each in await world.heard() if each.startswith("orders.charge.")]


async def test_a_product_hears_that_its_charge_was_written_off_and_was_paid_after_all(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.customer()
        await world.card("acme", "pm_card_insufficient_funds")
        data = {"customer": "acme", "amount": 1250, "currency": "EUR", "description": "Rendering"}
        charge = await world.post("/api/charges", {**EVENT, "data": data})
        await rest(world)
        assert await told_of_charges(world) == ["requested", "accepted", "failed"]
        [case] = await world.get("/api/dunning/cases")
        await world.post(f"/api/dunning/cases/{case['id']}/give-up", {"reason": "gone"})
        await rest(world)
        assert await told_of_charges(world) == ["failed"], "nothing more is collected for it"
        assert (await world.get(f"/api/charges/{charge['id']}"))["status"] == "failed"
        [invoice] = await world.invoices()
        good = await world.card("acme", "pm_card_ok")
        await world.post(f"/api/invoices/{invoice['id']}/pay", {"payment_method_id": good["id"]})
        await rest(world)
        assert await told_of_charges(world) == ["settled"]
