"""What a bank takes, and gives back or not: what was bought with it, and what time that was not used comes to."""

from tests.support.bills import a_story
from tests.support.outcomes import payments_of, rest
from tests.support.worst_day import counter_of

CALLS = {
    "code": "calls",
    "name": "Calls",
    "meter": "calls",
    "prices": [{"currency": "EUR", "model": "per_unit", "unit_amount": "10"}],
}


async def bought(world, amount=5000):
    """A customer who pays for use alone, and has bought prepaid credits; return the invoice that sold them."""
    await world.put("/api/entitlement-settings", {"blocks_on_dispute": False})
    await world.meter()
    await world.plan("pro", amount=0, charges=[CALLS])
    await world.customer()
    await world.card("acme", "pm_card_ok")
    await world.subscribe()
    said = {"amount": amount, "currency": "EUR", "paid": True}
    await world.post("/api/customers/acme/prepaid-credits", said)
    await rest(world)
    [sale] = [each for each in await world.invoices() if each["total"] == amount]
    return sale


async def lost(world, counter, **over):
    made = await counter.dispute((await counter.charges())[0]["ref"], **over)
    await rest(world)
    await counter.decide(made, "lost")
    await rest(world)


async def prepaid_left(world):
    return [each["left"] for each in await world.get("/api/customers/acme/prepaid-credits")]


async def test_prepaid_credits_that_a_bank_took_the_money_of_pay_for_nothing(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await bought(world)
        await lost(world, counter)
        [grant] = await world.get("/api/customers/acme/prepaid-credits")
        assert grant["left"] == 0
        await world.use("much", 400)
        await world.advance(to="2026-07-01T00:10:00Z")
        assert (await world.invoices())[-1]["total"] == 4000


async def test_a_part_that_is_lost_takes_its_part_and_its_note_takes_nothing_more(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        sale = await bought(world)
        await lost(world, counter, amount=2000)
        assert await prepaid_left(world) == [3000]
        note = {"reason": "a bad debt", "amount": 2000, "refund": "none"}
        await world.post(f"/api/invoices/{sale['id']}/credit-notes", note)
        assert await prepaid_left(world) == [3000], "of the same 20.00 nothing is taken twice"
        await world.post(f"/api/invoices/{sale['id']}/credit-notes", {"reason": "sorry", "amount": 500})
        assert await prepaid_left(world) == [2500]


async def test_what_a_note_took_before_is_not_taken_again_by_a_loss(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        sale = await bought(world)
        await world.use("some", 100)  # 10.00
        await world.advance(to="2026-07-01T00:10:00Z")
        await world.post(f"/api/invoices/{sale['id']}/credit-notes", {"reason": "sorry", "amount": 1500})
        assert await prepaid_left(world) == [2500]
        await lost(world, counter, amount=2000)
        assert await prepaid_left(world) == [500]


async def test_a_refund_that_leaves_the_credits_still_does(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await bought(world)
        [paid] = await payments_of(world)
        await world.post("/api/refunds", {"payment_id": paid["id"], "amount": 1000, "reason": "sorry"})
        await rest(world)
        assert await prepaid_left(world) == [5000]
        await lost(world, counter, amount=2000)
        assert await prepaid_left(world) == [3000]
