"""Saved methods as their customer meets them: what was left half-way, what is gone, and what is said of it."""

import httpx
import pytest

from tests.support.bills import a_story
from tests.support.outcomes import a_subscriber, payments_of, rest
from tests.support.worst_day import counter_of


async def methods_of(world):
    customer = await world.get("/api/customers/acme")
    listed = await world.get(f"/api/customers/{customer['id']}/payment-methods")
    return [(each["status"], each["decline_code"], each["action_url"]) for each in listed]


async def test_a_page_for_a_card_that_was_left_is_given_up_and_nothing_is_said_of_it(installation):
    async with a_story(installation, "2026-06-01") as world:
        customer = await world.customer()
        asked = {"return_url": "https://shop.example/back"}
        await world.post(f"/api/customers/{customer['id']}/payment-methods", asked)
        await rest(world)
        [(status, _, page)] = await methods_of(world)
        assert (status, page != "") == ("pending", True)
        await world.advance(days=2)
        assert await methods_of(world) == [("invalid", "canceled", None)]
        assert await world.mails("acme") == []


async def test_who_saves_a_card_comes_back_to_a_page_that_says_so(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.customer(language="de")
        await world.post("/api/customers/acme/payment-methods")
        await rest(world)
        [(_, _, page)] = await methods_of(world)
        form = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123", "name": "A. Customer"}
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=60) as browser:
            back = await browser.post(page, data=form)
            left = await browser.get(str(back.url).removesuffix("&done=1"))
        assert (back.status_code, "Vielen Dank!" in back.text, 'lang="de"' in back.text) == (200, True, True)
        assert (left.status_code, "Nichts gespeichert" in left.text) == (200, True)


async def test_nobody_is_told_that_what_was_saved_could_not_be_added(installation):
    async with a_story(installation, "2026-06-01") as world:
        card = await a_subscriber(world)
        async with counter_of(world) as counter:
            [method] = await counter.saved_methods(card["customer_id"])
            await counter.detach(method)
        await rest(world)
        assert await methods_of(world) == [("invalid", "payment_method_detached", None)]
        assert await world.mails("acme") == ["payment_method_added"]


@pytest.mark.parametrize(
    ("trial_end", "status"), [("cancel", "canceled"), pytest.param("pause", "paused", marks=pytest.mark.slow)]
)
async def test_a_trial_whose_own_card_was_removed_ends_without_a_method(installation, trial_end, status):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"trial_end": trial_end})
        card = await a_subscriber(world)
        subscription = await world.subscribe(trial_days=5, payment_method_id=card["id"])
        await world.delete(f"/api/customers/acme/payment-methods/{card['id']}")
        await world.advance(days=8)
        assert (await world.subscription(subscription))["status"] == status
        assert (await world.invoices(), await payments_of(world)) == ([], [])
        assert "payment_failed" not in await world.mails("acme")


async def test_a_trial_whose_own_card_was_removed_is_charged_to_the_usual_one(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000, billing={"trial_end": "cancel"})
        await a_subscriber(world)
        own = await world.card("acme", "pm_card_mastercard")
        subscription = await world.subscribe(trial_days=5, payment_method_id=own["id"])
        await world.delete(f"/api/customers/acme/payment-methods/{own['id']}")
        await world.advance(days=8)
        assert (await world.subscription(subscription))["status"] == "active"
        assert [(each["status"], each["last4"]) for each in await payments_of(world)] == [("succeeded", "4242")]


async def test_what_failed_is_tried_at_once_with_another_saved_card_that_is_chosen_for_it(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        bad = await a_subscriber(world, "pm_card_invalid_account")
        good = await world.card("acme", "pm_card_ok")
        subscription = await world.subscribe(trial_days=1, payment_method_id=bad["id"])
        await world.advance(to="2026-06-03T00:00:00Z")
        assert (await world.subscription(subscription))["status"] == "suspended"
        for _ in range(2):
            await world.put(f"/api/subscriptions/{subscription['id']}", {"payment_method_id": good["id"]})
            await rest(world)
        assert (await world.subscription(subscription))["status"] == "active"
        assert sorted(each["status"] for each in await payments_of(world)) == ["declined", "succeeded"]
        assert (await world.heard()).count("subscriptions.subscription.method_changed") == 1


async def test_who_pays_by_link_with_a_saved_card_means_it_for_the_subscription_whose_own_one_fails(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        good = await a_subscriber(world)
        bad = await world.card("acme", "pm_card_invalid_account")
        subscription = await world.subscribe(trial_days=1, payment_method_id=bad["id"])
        await world.advance(to="2026-06-03T00:00:00Z")
        [invoice] = await world.invoices()
        asked = await world.post(f"/api/invoices/{invoice['id']}/pay", {})
        await world.pay(asked["payment_link"])
        await rest(world)
        assert (await world.subscription(subscription))["payment_method_id"] == good["id"]
        await world.advance(days=32)
        assert (await world.subscription(subscription))["status"] == "active"
        paid = [(each["status"], each["last4"]) for each in await payments_of(world)]
        assert paid == [("succeeded", "4242"), ("succeeded", "4242"), ("declined", "5209")]


@pytest.mark.parametrize("how", ["by link", pytest.param("saved", marks=pytest.mark.slow), "kept before"])
async def test_whoever_brings_another_card_after_a_hard_decline_means_it_for_what_comes(installation, how):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await a_subscriber(world, "pm_card_invalid_account")
        if how == "kept before":
            await world.card("acme", "pm_card_ok")
        subscription = await world.subscribe(trial_days=1)
        await world.advance(to="2026-06-03T00:00:00Z")
        assert (await world.subscription(subscription))["status"] == "suspended"
        if how == "saved":
            await world.card("acme", "pm_card_ok")
        else:
            [invoice] = await world.invoices()
            asked = await world.post(f"/api/invoices/{invoice['id']}/pay", {})
            await world.pay(asked["payment_link"])
        await rest(world)
        assert (await world.subscription(subscription))["status"] == "active"
        await world.advance(days=32)
        assert (await world.subscription(subscription))["status"] == "active"
        paid = [each["last4"] for each in await payments_of(world) if each["status"] == "succeeded"]
        assert paid == ["4242", "4242"]
        assert len(await payments_of(world)) == 3
