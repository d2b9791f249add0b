"""A refund that somebody made at the provider: shown as a difference, and taken into the books, once."""

from collections import Counter as Count

from tests.support.bills import a_story
from tests.support.outcomes import a_subscriber, rest, the_payment
from tests.support.worst_day import counter_of

# The provider's time goes on with what it is asked: since the charge it was asked for nothing.
DAY = "2026-06-01"


async def agreement(world):
    [each] = await world.get("/api/settlements", day=DAY)
    return each["refunded_there"], each["refunded_here"], each["is_agreed"]


async def test_it_is_taken_with_a_credit_note_and_both_books_agree(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.plan("pro", amount=3000)
        await a_subscriber(world)
        await world.subscribe()
        await rest(world)
        payment = await the_payment(world)
        async with counter_of(world) as counter:
            [charge] = await counter.charges()
            made = await counter.refund(charge["ref"], amount=1000)
            assert len(await counter.charges()) == 1
        await world.advance(to="2026-06-03T09:00:00Z")
        [account] = await world.get("/api/gateways")
        await world.post(f"/api/gateways/{account['id']}/read-books")
        await rest(world)
        [difference] = await world.get("/api/settlements/differences", is_open="true")
        assert (difference["what"], difference["provider_ref"], difference["theirs"], difference["payment_id"]) == (
            "refund_only_there",
            made,
            1000,
            payment["id"],
        )
        assert await agreement(world) == (1000, 0, False)

        path = f"/api/settlements/differences/{difference['id']}/take-refund"
        said = {"reason": "Made in the dashboard", "reason_code": "goodwill", "credit_note": "full"}
        refund = await world.post(path, said)
        await rest(world)
        assert (refund["status"], refund["amount"], refund["settled_at"]) == (
            "succeeded",
            1000,
            difference["happened_at"],
        )
        assert (await world.post(path, said, expect=(409,)))["code"] == "difference_resolved"
        assert await world.get("/api/settlements/differences", is_open="true") == []
        assert await agreement(world) == (1000, 1000, True)

        assert (await the_payment(world))["amount_refunded"] == 1000
        invoices = await world.get("/api/invoices")
        assert sorted((each["kind"], each["total"]) for each in invoices) == [("credit_note", -1000), ("invoice", 3000)]
        assert (await world.get("/api/entitlements/acme"))["eligible"]
        assert Count(await world.mails("acme"))["refund_succeeded"] == 1
        async with counter_of(world) as counter:
            events = [each["type"] for each in await counter.events()]
        assert events.count("refund.updated") == 1, "the provider was asked for another one"
