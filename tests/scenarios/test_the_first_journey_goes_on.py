"""What comes after the first payment: renewals, who cannot be charged, other cards, changes, content, opting out."""

import pytest

from tests.scenarios.conftest import in_both_forms
from tests.scenarios.test_the_first_journey import is_eligible, status_of, the_invoice
from tests.support.processes import until
from tests.support.world import World

installation = in_both_forms(pytest.mark.slow)


async def test_a_renewal_is_charged_to_the_card_that_paid_first(world: World):
    await world.plan()
    await world.customer()
    subscription = await world.subscribe()
    await world.pay(subscription["payment_link"])
    await until(lambda: is_eligible(world), what="eligibility")
    await world.advance(to="2026-01-31T12:00:01Z")
    await world.heard()

    await world.advance(to="2026-02-28T12:00:00Z")

    events = await world.heard()
    for expected in (
        "subscriptions.subscription.renewed",
        "invoicing.invoice.finalized",
        "payments.payment.requested",
        "payments.payment.succeeded",
        "invoicing.invoice.paid",
    ):
        assert events.count(expected) == 1, (expected, events)
    invoice = await the_invoice(world)
    line = invoice["lines"][0]
    assert (line["period_start"], line["period_end"]) == ("2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z")
    assert invoice["status"] == "paid"
    assert invoice["issued_at"] == "2026-02-28T12:00:00Z"


async def test_a_renewal_that_nobody_can_be_charged_for_is_reminded_of_and_then_blocked(world: World):
    await world.plan(trial_days=14)
    await world.customer()
    subscription = await world.subscribe()
    assert subscription["status"] == "trialing"

    await world.advance(to="2026-02-14T13:00:00Z")
    assert await status_of(world, subscription) == "past_due"
    assert await is_eligible(world)

    await world.advance(days=8)
    assert await status_of(world, subscription) == "suspended"
    assert not await is_eligible(world)
    assert "apology" in await world.mails("acme")
    assert (await world.journal())["charges"] == [], "there was never anything to charge"


async def test_a_card_that_replaces_a_failing_one_pays_what_is_owed_and_what_comes(world: World):
    await world.plan()
    await world.customer()
    card = await world.card("acme", "pm_card_once")
    subscription = await world.subscribe(payment_method_id=card["id"])
    await until(lambda: is_eligible(world), what="eligibility")
    await world.advance(to="2026-02-28T12:00:00Z")
    assert await status_of(world, subscription) == "past_due"

    await world.card("acme", "pm_card_ok")

    async def recovered():
        return await status_of(world, subscription) == "active"

    await until(recovered, what="the recovery")
    await world.advance(to="2026-03-31T12:00:00Z")
    assert await status_of(world, subscription) == "active"
    assert {invoice["status"] for invoice in await world.get("/api/invoices")} == {"paid"}


async def test_a_change_that_nobody_paid_for_is_not_owed(world: World):
    await world.plan()
    await world.plan("max", amount=9000)
    await world.customer()
    subscription = await world.subscribe()
    await world.pay(subscription["payment_link"], "4000000000005308")
    await until(lambda: is_eligible(world), what="eligibility")
    path = f"/api/subscriptions/{subscription['id']}"
    card = (await world.get("/api/customers/acme/payment-methods"))[0]
    await world.delete(f"/api/customers/acme/payment-methods/{card['id']}")

    await world.put(path, {"plan_id": "max"})
    waiting = (await world.get("/api/invoices", status="open"))[0]
    bad = await world.card("acme", "pm_card_do_not_honor")
    await world.post(f"/api/invoices/{waiting['id']}/pay", {"payment_method_id": bad["id"]})
    await world.advance(days=8)

    assert await status_of(world, subscription) == "active", "the old plan is paid, and the new one never began"
    assert (await world.get(path))["plan_code"] == "pro"


async def test_content_is_bought_once_and_may_be_used_for_its_time(world: World):
    await world.customer()
    film = {"code": "film", "name": "A Film", "prices": [{"amount": 499, "currency": "EUR"}], "access_days": 30}
    await world.post("/api/products", film)
    order = await world.post("/pay", {"customer": "acme", "product": "film"})
    await world.pay(order["payment_link"])

    async def may_watch():
        return (await world.get("/api/entitlements/acme/content/film"))["allowed"]

    await until(may_watch, what="access to the film")
    await world.advance(days=31)
    assert not await may_watch()


async def test_opting_out_lets_the_period_run_out_and_opting_in_again_undoes_it(world: World):
    await world.plan()
    await world.customer()
    card = await world.card("acme", "pm_card_ok")
    subscription = await world.subscribe(payment_method_id=card["id"])
    await until(lambda: is_eligible(world), what="eligibility")
    path = f"/api/subscriptions/{subscription['id']}"

    opted_out = await world.put(path, {"auto_renew": False})
    assert opted_out["cancel_at_period_end"]
    opted_in = await world.put(path, {"auto_renew": True})
    assert not opted_in["cancel_at_period_end"]
    await world.advance(to="2026-03-01T00:00:00Z")
    assert await status_of(world, subscription) == "active"

    await world.put(path, {"auto_renew": False})
    await world.advance(to="2026-04-01T00:00:00Z")
    assert await status_of(world, subscription) == "expired"
    assert not await is_eligible(world)
    assert len(await world.get("/api/invoices")) == 2


@pytest.mark.slow
async def test_sixty_months_of_a_31_january_are_billed_each_on_its_day(world: World):
    await world.plan(amount=0)
    await world.customer()
    await world.subscribe()
    await world.advance(to="2031-01-31T12:00:00Z")
    invoices, cursor = [], None
    while True:
        query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        answer = (await world.http.get("/api/invoices", params=query)).json()
        invoices += answer["data"]
        cursor = answer["page"]["next_cursor"]
        if not cursor:
            break
    starts = sorted(invoice["lines"][0]["period_start"][:10] for invoice in invoices)
    assert len(starts) == 61
    assert starts[:4] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert starts[25] == "2028-02-29"
    assert [invoice["issued_at"][:10] for invoice in sorted(invoices, key=lambda each: each["issued_at"])] == starts
