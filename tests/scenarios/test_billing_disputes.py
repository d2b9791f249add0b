"""What a bank takes, and gives back or not: what was bought with it, and what time that was not used comes to."""

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import payments_of, rest
from tests.support.worst_day import counter_of

CALLS = {
    "code": "calls",
    "name": "Calls",
    "meter": "calls",
    "prices": [{"currency": "EUR", "model": "per_unit", "unit_amount": "10"}],
}
PRO = {"amount": 3000, "billing": {"unused_on_cancel": "credit"}}


async def credit_left(world):
    customer = await world.get("/api/customers/acme")
    return sum(each["left"] for each in await world.get("/api/credits", customer_id=customer["id"]))


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


@pytest.mark.slow
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


@pytest.mark.slow
async def test_what_a_note_took_before_is_not_taken_again_by_a_loss(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        sale = await bought(world)
        await world.use("some", 100)  # 10.00
        await world.advance(to="2026-07-01T00:10:00Z")
        await world.post(f"/api/invoices/{sale['id']}/credit-notes", {"reason": "sorry", "amount": 1500})
        assert await prepaid_left(world) == [2500]
        await lost(world, counter, amount=2000)
        assert await prepaid_left(world) == [500]


@pytest.mark.slow
async def test_a_refund_that_leaves_the_credits_still_does(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await bought(world)
        [paid] = await payments_of(world)
        await world.post("/api/refunds", {"payment_id": paid["id"], "amount": 1000, "reason": "sorry"})
        await rest(world)
        assert await prepaid_left(world) == [5000]
        await lost(world, counter, amount=2000)
        assert await prepaid_left(world) == [3000]


async def test_what_was_unused_becomes_credit_when_the_dispute_is_won(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.plan("pro", **PRO)
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        made = await counter.dispute((await counter.charges())[0]["ref"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        await counter.decide(made, "won")
        await rest(world)
        assert await credit_left(world) == 1500


async def test_what_was_unused_becomes_credit_when_the_refund_fails(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.plan("pro", **PRO)
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        [paid] = await payments_of(world)
        await counter.fault("hold", "refund", phase="before", times=1)
        await world.post("/api/refunds", {"payment_id": paid["id"], "reason": "x"})
        await counter.until_held("refund")
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        made = await counter.dispute((await counter.charges())[0]["ref"])
        await counter.release()
        await rest(world)
        await counter.decide(made, "won")
        await rest(world)
        assert [each["status"] for each in await world.get("/api/refunds")] == ["failed"]
        assert await credit_left(world) == 1500


async def ended_with(world, counter, *amounts):
    """End on the 16th what was paid 30.00 for June, while a bank holds these amounts of it; return the disputes."""
    await world.plan("pro", **PRO)
    s = await world.subscriber()
    await world.advance(to="2026-06-16T00:00:00Z")
    [charge] = await counter.charges()
    made = [await counter.dispute(charge["ref"], amount=each) for each in amounts]
    await rest(world)
    await world.delete(f"/api/subscriptions/{s['id']}", when="now")
    return made


async def decided(world, counter, dispute, status):
    await counter.decide(dispute, status)
    await rest(world)
    return await credit_left(world)


async def test_of_two_disputes_each_that_is_won_gives_what_is_left_by_then(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        big, small = await ended_with(world, counter, 2000, 1000)
        assert await credit_left(world) == 0
        assert await decided(world, counter, small, "won") == 1000
        assert await decided(world, counter, big, "won") == 1500


@pytest.mark.slow
async def test_of_two_disputes_one_that_is_lost_gives_nothing(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        big, small = await ended_with(world, counter, 2000, 1000)
        assert await decided(world, counter, small, "won") == 1000
        assert await decided(world, counter, big, "lost") == 1000


async def test_a_part_is_given_at_once_and_the_rest_with_its_tax_when_it_is_won(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.tax("19")
        [dispute] = await ended_with(world, counter, 2975)  # of 35.70: 25.00 and 4.75 of tax
        assert await credit_left(world) == 595
        assert await decided(world, counter, dispute, "won") == 1785
        for each in await counter.events():
            await counter.redeliver(each["id"])
        await rest(world)
        assert await credit_left(world) == 1785, "told again, nothing more is given"


async def test_what_staff_gave_back_meanwhile_is_not_given_again(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        [dispute] = await ended_with(world, counter, 1000)
        assert await credit_left(world) == 1500, "20.00 are left without what the bank holds"
        [big, *_] = [each for each in await world.invoices() if each["total"] == 3000]
        await world.post(f"/api/invoices/{big['id']}/credit-notes", {"reason": "sorry", "amount": 500})
        assert await decided(world, counter, dispute, "won") == 2000


@pytest.mark.slow
async def test_what_a_change_paid_with_the_time_before_is_given_back_with_what_is_won(installation):
    async with a_story(installation, "2026-06-01") as world, counter_of(world) as counter:
        await world.plan("pro", **PRO)
        await world.plan("max", **{**PRO, "amount": 6000})
        s = await world.subscriber()
        await world.advance(to="2026-06-02T00:00:00Z")
        await world.change(s, plan_id="max", when="now")  # 58.00, paid with 29.00 that the change gives back, and 29.00
        await rest(world)
        await world.advance(to="2026-06-03T00:00:00Z")
        [charge] = [each for each in await counter.charges() if each["amount"] == 2900]
        made = await counter.dispute(charge["ref"])
        await rest(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_left(world) == 2900, "of 56.00 that are unused"
        assert await decided(world, counter, made, "won") == 5600
