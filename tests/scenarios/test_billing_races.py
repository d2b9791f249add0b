"""Many at once: limits hold, nothing is billed twice, and each works from what the other did."""

import asyncio
from fractions import Fraction

import pytest

from tests.support.arithmetic import part_of
from tests.support.bills import a_story, row
from tests.support.processes import until

CROWD, LIMIT = 50, 4
READINGS = 120


async def all_lines(world, organization_id="acme"):
    return [row(line) for invoice in await world.invoices(organization_id) for line in invoice["lines"]]


async def at_rest(world):
    async def arrived():
        return (await world.get("/api/clock"))["state"] == "at_rest"

    await until(arrived, timeout_s=60, what="the clock's arrival")


@pytest.mark.shows("fault F9", "ASVS 2.3.4", "ASVS 15.4.2", "API6")
async def test_of_fifty_at_once_four_redeem_a_code_that_is_good_for_four(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=1000, trial_days=14)
        code = {"code": "FOUR", "name": "Four", "percent": "50", "redemptions_max": LIMIT}
        await world.post("/api/promo-codes", code)
        await asyncio.gather(*(world.customer(f"org-{n:02}") for n in range(CROWD)))

        async def subscribe(n):
            body = {
                "organization_id": f"org-{n:02}",
                "plan_id": "pro",
                "billing_cycle": "monthly",
                "promo_code": "FOUR",
            }
            return await world.http.post("/api/subscriptions", json=body)

        answers = await asyncio.gather(*(subscribe(n) for n in range(CROWD)))
        assert sum(answer.status_code == 201 for answer in answers) == LIMIT
        refused = [answer for answer in answers if answer.status_code != 201]
        assert {(each.json()["code"], each.json()["field"]) for each in refused} == {("promo_used_up", "promo_code")}
        assert {each.status_code for each in refused} <= {409, 422}
        assert (await world.get("/api/promo-codes/FOUR"))["redemptions"] == LIMIT
        assert len(await world.get("/api/subscriptions", limit=200)) == LIMIT, "who was refused has nothing"


@pytest.mark.shows("fault F9")
async def test_two_changes_at_once_each_work_from_what_the_other_billed(installation):
    async with a_story(installation, "2026-06-01") as world:
        for code, amount in (("pro", 3000), ("team", 5000), ("max", 9000)):
            await world.plan(code, amount=amount)
        subscription = await world.subscriber()
        await world.advance(to="2026-06-16T00:00:00Z")
        path = f"/api/subscriptions/{subscription['id']}"
        answers = await asyncio.gather(
            *(world.http.put(path, json={"plan_id": code, "when": "now"}) for code in ("team", "max", "team", "max"))
        )
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        await world.advance(to="2026-06-17T00:00:00Z")

        last = (await world.subscription(subscription))["amount"]
        rows = await all_lines(world)
        half = [amount for kind, amount, _ in rows if kind != "recurring"]
        assert sum(half) == part_of(last - 3000, Fraction(1, 2))
        charges = [amount for kind, amount, _ in rows if kind == "proration_charge"]
        credits_ = [-amount for kind, amount, _ in rows if kind == "proration_credit"]
        assert credits_ == [1500, *charges[:-1]], "each gives back what the one before charged"


async def test_a_change_at_the_instant_of_renewal_bills_the_period_once(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await world.plan("max", amount=9000)
        names = [f"org-{n}" for n in range(6)]
        made = [await world.subscriber(name) for name in names]
        await world.advance(to="2026-06-30T23:59:59Z")
        await world.post("/api/clock/advance", {"to": "2026-07-01T00:00:00Z"})

        async def change(subscription, delay_s):
            await asyncio.sleep(delay_s)
            return await world.http.put(
                f"/api/subscriptions/{subscription['id']}", json={"plan_id": "max", "when": "now"}
            )

        answers = await asyncio.gather(*(change(each, n / 20) for n, each in enumerate(made)))
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        await at_rest(world)
        await world.advance(to="2026-07-01T00:00:01Z")
        for name in names:
            july = [
                (kind, amount) for kind, amount, when in await all_lines(world, name) if when == "2026-07-01/2026-08-01"
            ]
            # Changed a moment before the renewal, with it, or just after: July is billed once, at the new price.
            assert sum(amount for _, amount in july) == 9000, (name, july)
            assert [kind for kind, _ in july].count("recurring") == 1, (name, july)


async def test_readings_that_come_while_their_period_is_billed_are_billed_once_then_or_later(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.meter()
        price = {"currency": "EUR", "model": "per_unit", "unit_amount": "10"}
        calls = {"code": "calls", "name": "Calls", "meter": "calls", "prices": [price]}
        await world.plan("metered", amount=0, charges=[calls])
        await world.subscriber(plan="metered")
        await world.advance(to="2026-06-30T23:59:59Z")
        await world.post("/api/clock/advance", {"to": "2026-07-01T00:00:01Z"})

        async def send(n):
            await asyncio.sleep(n / 100)
            await world.use(f"reading-{n}", 1, timestamp="2026-06-30T12:00:00Z")

        await asyncio.gather(*(send(n) for n in range(READINGS)))
        await at_rest(world)
        await world.advance(to="2026-08-01T00:00:00Z")
        june = [(kind, amount) for kind, amount, when in await all_lines(world) if when == "2026-06-01/2026-07-01"]
        assert sum(amount for _, amount in june) == READINGS * 10, june
        assert {kind for kind, _ in june} <= {"recurring", "usage", "usage_adjustment"}
