"""What is given back in more than one way: as money, as credit, with a note or without, of one line or of several."""

import pytest

from tests.scenarios.test_billing_use import calls, each
from tests.support.bills import a_story, bills
from tests.support.outcomes import payments_of, rest


async def credit_of(world, organization="acme"):
    customer = await world.get(f"/api/customers/{organization}")
    return sum(each["amount"] for each in await world.get("/api/credits", customer_id=customer["id"]))


async def refunded(world, payment, **said):
    await world.post("/api/refunds", {"payment_id": payment["id"], "reason": "sorry", **said}, expect=(202,))
    await rest(world)


async def test_a_refund_and_a_note_are_not_the_same_money_unless_one_documents_the_other(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "credit"})
        s = await world.subscriber()
        await rest(world)
        [paid], [invoice] = await payments_of(world), await world.invoices()
        await refunded(world, paid, amount=1000)
        await world.post(f"/api/invoices/{invoice['id']}/credit-notes", {"reason": "sorry again", "amount": 1000})
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_of(world) == 2000  # with the 1000 that were refunded: the 3000 that were paid


@pytest.mark.slow
async def test_a_note_that_documents_a_refund_takes_nothing_more(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"unused_on_cancel": "credit"})
        s = await world.subscriber()
        await rest(world)
        [paid], [invoice] = await payments_of(world), await world.invoices()
        await refunded(world, paid, amount=1000)
        note = {"reason": "as refunded", "amount": 1000, "refund": "none"}
        await world.post(f"/api/invoices/{invoice['id']}/credit-notes", note)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert await credit_of(world) == 2000


async def test_use_that_was_refunded_is_not_given_back_again_as_credit(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        await world.plan("pro", amount=0, charges=[calls(each("10"))])
        await world.subscriber()
        await world.use("a", 100)
        await world.advance(to="2026-07-02T00:00:00Z")
        [paid] = await payments_of(world)
        await refunded(world, paid, amount=600)
        await world.post("/api/usage/a/cancel")
        await world.advance(to="2026-08-02T00:00:00Z")
        assert await credit_of(world) == 400


async def test_a_refund_of_an_upgrade_takes_of_its_time_what_was_refunded(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=6000, billing={"unused_on_cancel": "credit"})
        whole, part = await world.subscriber("whole"), await world.subscriber("part")
        await world.advance(to="2026-06-16T00:00:00Z")
        for s, said in ((whole, {}), (part, {"amount": 500})):
            await world.change(s, plan_id="max", when="now")
            await rest(world)
            customer = (await world.subscription(s))["customer_id"]
            [upgrade, _] = await world.get("/api/payments", customer_id=customer)
            await refunded(world, upgrade, **said)
            await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        # 4500 came in of each, 15 days of pro (1500) were used, and 1500 or 500 went back as money.
        assert (await credit_of(world, "whole"), await credit_of(world, "part")) == (1500, 2500)


async def test_what_is_paid_by_difference_is_for_the_whole_period(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("diff", amount=6000, billing={"basis": "difference", "unused_on_cancel": "credit"})
        s = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        await world.change(s, plan_id="diff", when="now")
        await rest(world)
        await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        assert 2999 <= await credit_of(world) <= 3000  # 6000 paid for June, half of it used, but for the instant


async def test_lines_of_one_rate_give_back_the_tax_that_they_were_billed_with(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("19")
        await world.shares_bills()
        await world.customer()
        card = await world.card("acme", "pm_card_ok")
        for code in ("one", "two", "three"):
            await world.plan(code, amount=999, billing={"unused_on_cancel": "credit"})
            await world.subscribe("acme", code, payment_method_id=card["id"])
        await world.advance(to="2026-07-01T00:00:00Z")
        for s in await world.get("/api/subscriptions", limit=50):
            await world.delete(f"/api/subscriptions/{s['id']}", when="now")
        [shared] = [each for each in await world.invoices() if len(each["lines"]) == 3]
        assert await credit_of(world) == shared["total"] == 3566  # 19 % of 29.97 are 5.69, and of 9.99 they are 1.90


@pytest.mark.slow
async def test_use_that_comes_to_nothing_leaves_nothing_billed(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("10")
        await world.meter()
        charge = calls(each("11", "JPY"))
        await world.plan("pro", amount=0, currency="JPY", charges=[charge], billing={"is_tax_inclusive": True})
        await world.post("/api/promo-codes", {"code": "THIRD", "name": "x", "percent": "33", "duration": "forever"})
        await world.subscriber(promo_code="THIRD")
        await world.use("a", 101)
        await world.advance(to="2026-07-02T00:00:00Z")
        await world.post("/api/usage/a/amend", {"value": 50})
        await world.advance(to="2026-08-02T00:00:00Z")
        await world.post("/api/usage/a/cancel")
        await world.advance(to="2026-09-02T00:00:00Z")
        assert [made.total for made in await bills(world) if made.total] == [744, -375, -369]


@pytest.mark.slow
async def test_no_line_gives_back_more_than_it_came_to(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        await world.plan("pro", amount=0, charges=[calls(each("10"))], billing={"collection": "send", "net_days": 90})
        await world.customer()
        await world.subscribe()
        await world.use("a", 100)
        await world.advance(to="2026-07-02T00:00:00Z")
        await world.use("b", 60, timestamp="2026-06-20T00:00:00Z")
        await world.advance(to="2026-08-02T00:00:00Z")
        await world.post("/api/usage/a/cancel")
        await world.post("/api/usage/b/amend", {"value": 10})
        await world.advance(to="2026-09-02T00:00:00Z")
        owed = sum(each["amount_due"] for each in await world.invoices())
        # Nobody has paid anything: 1000 and 600 were billed, and 1500 given back.
        assert (await credit_of(world), owed) == (0, 100)
