"""Cards that their bank renews by itself: shown as they are, warned of by their new date, and tried again at once."""

from tests.support.bills import a_story
from tests.support.outcomes import a_subscriber, is_eligible, payments_of, rest
from tests.support.worst_day import counter_of


async def methods_of(world):
    customer = await world.get("/api/customers/acme")
    listed = await world.get(f"/api/customers/{customer['id']}/payment-methods")
    return [(each["brand"], each["last4"], each["exp_month"], each["exp_year"]) for each in listed]


async def renew(world, **written):
    """Have the bank of the customer's one saved card issue it anew, and hear of it."""
    customer = await world.get("/api/customers/acme")
    async with counter_of(world) as counter:
        [method] = await counter.saved_methods(customer["id"])
        await counter.renew(method, **written)
    await rest(world)
    return method


async def test_what_failed_is_tried_at_once_when_its_bank_has_renewed_the_card(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await a_subscriber(world, "pm_card_invalid_account")
        await world.subscribe(trial_days=1)
        await world.advance(to="2026-06-03T00:00:00Z")
        assert [each["status"] for each in await payments_of(world)] == ["declined"]
        await renew(world, number="4242424242424242", exp_year=2039)
        assert await methods_of(world) == [("visa", "4242", 12, 2039)]
        assert sorted(each["status"] for each in await payments_of(world)) == ["declined", "succeeded"]
        assert [each["status"] for each in await world.invoices()] == ["paid"]
        assert await is_eligible(world)
        [case] = await world.get("/api/dunning/cases")
        assert case["status"] == "recovered"
        assert (await world.heard()).count("payments.method.updated") == 1


async def test_a_card_is_warned_of_by_the_date_that_its_bank_gave_it(installation):
    async with a_story(installation, "2034-10-01") as world:
        await a_subscriber(world)
        token = await renew(world)
        assert await methods_of(world) == [("visa", "4242", 12, 2038)]
        await world.advance(to="2035-02-01T00:00:00Z")
        assert await world.mails("acme") == ["payment_method_added"]
        await world.advance(to="2038-12-03T00:00:00Z")
        assert await world.mails("acme") == ["payment_method_added", "card_expiring"]
        said = [each for each in await world.get("/api/events", limit=100) if each["type"].endswith("method.updated")]
        [told] = [each["data"] for each in said]
        assert (told["brand"], told["last4"], told["exp_month"], told["exp_year"]) == ("visa", "4242", 12, 2038)
        assert token not in str(await world.get("/api/events", limit=100))
        kept = [
            each for each in await world.get("/api/audit", limit=100) if each["action"] == "payments.method.updated"
        ]
        assert len(kept) == 1


async def test_a_card_that_was_warned_of_is_warned_of_again_by_its_next_date(installation):
    async with a_story(installation, "2034-10-01") as world:
        await a_subscriber(world)
        await world.advance(to="2034-12-03T00:00:00Z")
        warned = ["payment_method_added", "card_expiring"]
        assert await world.mails("acme") == warned
        await renew(world)
        await world.advance(to="2038-12-03T00:00:00Z")
        assert await world.mails("acme") == [*warned, "card_expiring"]
        await world.advance(to="2038-12-27T00:00:00Z")
        assert await world.mails("acme") == [*warned, "card_expiring", "card_expiring"]
