"""Organizations that subscribe at the same time are begun together, and each is answered as if it had been alone."""

import asyncio
import json

import pytest

from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.noun import replace
from tests.http.orders.conftest import a_front
from tests.support.ground import database_with_vault
from tests.support.wired import wired

SUBSCRIPTIONS = "/api/subscriptions"


async def a_crowd(front, size):
    plan, crowd = await front.shop.plan(amount=3000), []
    for _ in range(size):
        customer = await front.shop.customer()
        card = await front.shop.card(customer)
        crowd.append(
            {
                "organization_id": customer.organization_id,
                "plan_id": plan.code,
                "payment_method_id": f"{card.id}",
                "metadata": {"from": "the shop"},
            }
        )
    return crowd


def shape(answer):
    """Return an answer's JSON without what is another for each: ids, numbers, links."""

    def plain(value):
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items() if not name.endswith("id") and "link" not in name}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return plain(answer.json())


async def count(front, table):
    async with front.shop.database.transaction([front.shop.tenant.tenant_id], actor="test") as tx:
        return await tx.fetchval(f"select count(*) from {table}")


async def calls(front):
    async with front.shop.database.transaction([front.shop.tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch("select request_id, payload from platform.log where topic = 'audit.calls' order by id")
    return {row["request_id"]: json.loads(row["payload"]) for row in rows}


async def let_in(front):
    """Have the key remembered: nobody whom the process does not know is served ahead."""
    await front.ask("GET", "/api/plans")


async def test_a_crowd_is_begun_together_and_each_by_its_own_key(front, groups, held):
    crowd = await a_crowd(front, 12)
    await let_in(front)
    asking = [
        asyncio.create_task(
            front.ask("POST", SUBSCRIPTIONS, each, Idempotency_Key=f"k{n}", X_Request_Id=f"request-{n:02}")
        )
        for n, each in enumerate(crowd)
    ]
    while held.waiting_in(front.served.app.state.edge.gatherings) < 12:
        await asyncio.sleep(0.01)
    held.set()
    answers = await asyncio.gather(*asking)
    assert {each.status_code for each in answers} == {201}
    assert sum(groups) == 12
    assert len(groups) < 12
    alone = await front.ask("POST", SUBSCRIPTIONS, (await a_crowd(front, 1))[0], Prefer="wait=0")
    assert {json.dumps(shape(each)) for each in answers} == {
        json.dumps(shape(alone)).replace(shape(alone)["data"]["plan_code"], crowd[0]["plan_id"])
    }
    told = await calls(front)
    assert {told[f"request-{n:02}"]["status"] for n in range(12)} == {201}
    assert len({told[f"request-{n:02}"]["key_hash"] for n in range(12)}) == 12


async def test_asked_again_with_its_key_it_is_said_again_and_not_done(front):
    [wish] = await a_crowd(front, 1)
    await let_in(front)
    first, again = [await front.ask("POST", SUBSCRIPTIONS, wish, Idempotency_Key="k") for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = await front.ask("POST", SUBSCRIPTIONS, {**wish, "quantity": 2}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert await count(front, "subscriptions.subscriptions") == 1


@pytest.mark.shows("API6")
async def test_one_key_by_many_at_once_is_one_subscription(front):
    [wish] = await a_crowd(front, 1)
    await let_in(front)
    answers = await asyncio.gather(*(front.ask("POST", SUBSCRIPTIONS, wish, Idempotency_Key="k") for _ in range(10)))
    assert {each.status_code for each in answers} <= {201, 409}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {"idempotency_in_flight"}
    assert len({each.json()["data"]["order_id"] for each in answers if each.status_code == 201}) == 1
    assert await count(front, "subscriptions.subscriptions") == 1
    assert await count(front, "invoicing.invoices") == 1


async def test_one_customer_by_many_at_once_is_one_subscription_whatever_the_keys(front):
    [wish] = await a_crowd(front, 1)
    await let_in(front)
    answers = await asyncio.gather(
        *(front.ask("POST", SUBSCRIPTIONS, wish, Idempotency_Key=f"k{n}") for n in range(10))
    )
    assert sorted(each.status_code for each in answers) == [201] + [409] * 9
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"already_subscribed"}
    assert await count(front, "payments.payments") == 1


async def test_who_is_refused_hears_why_and_nobody_else_does(front, groups, held):
    crowd = await a_crowd(front, 6)
    crowd[2]["plan_id"] = "no-such-plan"
    crowd[4]["quantity"] = 0
    crowd[5]["promo_code"] = "NOPE"
    await let_in(front)
    asking = [
        asyncio.create_task(front.ask("POST", SUBSCRIPTIONS, each, Idempotency_Key=f"k{n}"))
        for n, each in enumerate(crowd)
    ]
    while held.waiting_in(front.served.app.state.edge.gatherings) < 4:
        await asyncio.sleep(0.01)
    held.set()
    answers = await asyncio.gather(*asking)
    assert [each.status_code for each in answers] == [201, 201, 404, 201, 422, 404]
    assert [answers[n].json()["field"] for n in (2, 4, 5)] == ["plan_id", "quantity", "promo_code"]
    assert await count(front, "platform.idempotency_keys") == 3
    assert await count(front, "subscriptions.subscriptions") == 3


async def test_a_customers_user_is_never_among_others(front, groups):
    """What may be said and seen is less for them: their requests go the whole way."""
    [wish] = await a_crowd(front, 1)
    customer = await front.shop.customer()
    user = front.served.user_of(customer.organization_id)
    answer = await user(
        "POST", SUBSCRIPTIONS, {"organization_id": customer.organization_id, "plan_id": wish["plan_id"]}
    )
    assert answer.status_code == 201
    assert "metadata" not in answer.json()["data"]
    refused = await user("POST", SUBSCRIPTIONS, {**wish, "organization_id": customer.organization_id})
    assert (refused.status_code, refused.json()["code"]) == (403, "field_not_yours")
    assert groups == []
    found = await front.shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=customer.id))
    assert len(found) == 1


@pytest.mark.shows("fault F3")
@pytest.mark.parametrize(("way", "was_committed"), [("cut_after_commit", True), ("cut_before_commit", False)])
async def test_a_crowd_whose_commit_is_lost_asks_again_and_is_begun_once(
    database_urls, clean, held, way, was_committed
):
    async with (
        wired(database_urls.app) as (wire, url),
        database_with_vault(replace(database_urls, app=url)) as database,
        a_front(database) as front,
    ):
        crowd = await a_crowd(front, 6)
        await let_in(front)

        def ask():
            return [
                asyncio.create_task(front.ask("POST", SUBSCRIPTIONS, each, Idempotency_Key=f"k{n}"))
                for n, each in enumerate(crowd)
            ]

        asking = ask()
        while held.waiting_in(front.served.app.state.edge.gatherings) < 6:
            await asyncio.sleep(0.01)
        setattr(wire, way, True)
        held.set()
        lost = await asyncio.gather(*asking)
        setattr(wire, way, False)
        assert {(each.status_code, each.json()["code"]) for each in lost} == {(503, "database_unavailable")}
        assert await count(front, "subscriptions.subscriptions") == (6 if was_committed else 0)
        again = await asyncio.gather(*ask())
        assert {each.status_code for each in again} == {201}
        assert {each.headers.get("idempotent-replayed") for each in again} == {"true" if was_committed else None}
        assert await count(front, "subscriptions.subscriptions") == 6
        assert await count(front, "payments.payments") == 6
