"""What a refund policy grants by itself, to whoever asks for much at once."""

import asyncio
from collections import Counter

import pytest

from tests.support.bills import a_story
from tests.support.outcomes import payments_of, rest


@pytest.mark.parametrize("only_unused", [False, True])
async def test_of_six_asked_for_at_once_the_policy_grants_as_many_as_a_customer_has_in_a_year(
    installation, only_unused
):
    async with a_story(installation, "2026-06-01") as world:
        policy = {"auto_grant_days": 14, "per_customer_year": 1, "only_unused": only_unused}
        await world.put("/api/refund-policy", policy)
        await world.customer()
        card = await world.card("acme", "pm_card_ok")
        for n in range(6):
            await world.plan(f"plan-{n}", amount=1000)
            await world.subscribe("acme", f"plan-{n}", payment_method_id=card["id"])
        await rest(world)
        paths = [f"/api/payments/{each['id']}/refund-requests" for each in await payments_of(world)]
        answers = await asyncio.gather(*(world.http.post(path, json={"reason": "no"}) for path in paths))
        assert {answer.status_code for answer in answers} == {201}
        await rest(world)
        assert Counter(each["status"] for each in await world.get("/api/refunds")) == {"succeeded": 1, "asked": 5}
