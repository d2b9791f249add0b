"""Readings that arrive at the same time are counted together, and each is answered as if it had been alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from guilder.domain.customers.routes import router as customers_router
from guilder.domain.identity.routes import router as identity_router
from guilder.domain.usage.routes import router as usage_router
from guilder.domain.usage.schemas import quick
from guilder.kernel import ids
from guilder.platform.db.gathering import Size
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.builders.usage import a_meter
from tests.support.given_away import give_away
from tests.support.ground import database_with_vault
from tests.support.nearby import listening
from tests.support.served import Served, served

SMALL = Size(group=1, at_once=1, waiting=2)
EVENT = {"organization_id": "org_1", "meter": "calls"}


@pytest.fixture(params=["read", "given away"])
async def house(request, database_urls, clean, monkeypatch) -> AsyncIterator[Served]:
    """Serve usage the whole way, or where requests are given away before they are read."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_with_vault(database_urls))
        near = None
        if request.param == "given away":
            give_away(monkeypatch)
            near = await stack.enter_async_context(listening(database))
        routers = [identity_router, customers_router, usage_router]
        yield await stack.enter_async_context(served(database, routers, near=near))


@pytest.fixture
async def ask(house, tenant, ground):
    return await house.key_of(tenant)


async def events_of(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch("select event_id from usage.events order by event_id")
    return [row["event_id"] for row in rows]


async def calls_of(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch(
            """select event_id, request_id, actor, payload from platform.log
                where topic = 'audit.calls' and payload ->> 'route' = '/api/usage' order by id"""
        )
    return [dict(row) | {"payload": json.loads(row["payload"])} for row in rows]


async def test_a_crowd_shares_transactions_and_everyone_is_counted_once(house, tenant, ask, groups, held):
    sent = [{**EVENT, "event_id": f"e{n:02}"} for n in range(40)]
    asking = [asyncio.create_task(ask("POST", "/api/usage", each)) for each in [*sent, *sent]]
    while held.waiting_in(house.app.state.edge.gatherings) < 40:
        await asyncio.sleep(0.01)
    held.set()
    answers = await asyncio.gather(*asking)
    assert {each.status_code for each in answers} == {200}
    counted = [each.json()["data"]["counted"] for each in answers]
    assert [first + again for first, again in zip(counted[:40], counted[40:], strict=True)] == [1] * 40
    assert await events_of(house, tenant) == [each["event_id"] for each in sent]
    assert sum(groups) == 80
    assert len(groups) < 80


async def test_what_cannot_be_counted_is_refused_to_its_sender_alone(house, tenant, ask):
    sent = [{**EVENT, "event_id": f"e{n}"} for n in range(12)]
    bad = [
        {**EVENT, "event_id": "b1", "meter": "unknown"},
        {**EVENT, "event_id": "b2", "organization_id": "org_9"},
        {**EVENT, "event_id": "alerts"},
        {**EVENT, "event_id": "b3", "timestamp": "1999-01-01T00:00:00Z"},
        {"events": [{**EVENT, "event_id": "b4"}, {**EVENT, "event_id": "b5", "meter": "unknown"}]},
    ]
    answers = await asyncio.gather(*(ask("POST", "/api/usage", each) for each in [*sent[:6], *bad, *sent[6:]]))
    assert [each.status_code for each in answers] == [200] * 6 + [422] * 5 + [200] * 6
    assert [(each.json()["code"], each.json()["field"]) for each in answers[6:11]] == [
        ("unknown_meter", "meter"),
        ("unknown_customer", "organization_id"),
        ("bad_event_id", "event_id"),
        ("timestamp_out_of_range", "timestamp"),
        ("unknown_meter", "events[1].meter"),
    ]
    assert await events_of(house, tenant) == sorted(each["event_id"] for each in sent)


async def test_every_request_is_recorded_under_its_own_id_and_by_who_made_it(house, tenant, ask):
    other = await house.key_of(tenant)
    askers = [ask, other] * 8
    await asyncio.gather(
        *(
            each("POST", "/api/usage", {**EVENT, "event_id": f"e{n}"}, X_Request_Id=f"request-{n:02}")
            for n, each in enumerate(askers)
        )
    )
    calls = await calls_of(house, tenant)
    assert sorted(each["request_id"] for each in calls) == [f"request-{n:02}" for n in range(16)]
    by_request = {each["request_id"]: each["actor"] for each in calls}
    assert len({by_request[f"request-{n:02}"] for n in range(0, 16, 2)}) == 1
    assert by_request["request-00"] != by_request["request-01"]
    assert {each["payload"]["status"] for each in calls} == {200}


async def test_calls_of_one_group_are_told_apart_where_they_differ(house, tenant, ask, groups, held):
    programs = ["curl/8.5", "python-requests/2.32"] * 4
    asking = [
        asyncio.create_task(
            ask("POST", "/api/usage", {**EVENT, "event_id": f"e{n}"}, X_Request_Id=f"request-{n}", User_Agent=program)
        )
        for n, program in enumerate(programs)
    ]
    while held.waiting_in(house.app.state.edge.gatherings) < len(programs):
        await asyncio.sleep(0.01)
    held.set()
    await asyncio.gather(*asking)
    assert max(groups) > 2
    calls = await calls_of(house, tenant)
    told = {each["request_id"]: each["payload"]["agent"] for each in calls}
    assert told == {f"request-{n}": ["curl", "Python"][n % 2] for n in range(len(programs))}
    assert len({each["event_id"] for each in calls}) == len(programs)


async def test_tenants_that_send_at_once_stay_apart(house, tenant, ask):
    other = await new_tenant(house.database, name="Other", time_zone="UTC")
    async with house.database.transaction([other.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1", time_zone="UTC")
        await a_meter(tx, code="calls")
    theirs = await house.key_of(other)
    sent = [{**EVENT, "event_id": f"e{n}"} for n in range(10)]
    answers = await asyncio.gather(*(asker("POST", "/api/usage", each) for each in sent for asker in (ask, theirs)))
    assert [each.json()["data"]["counted"] for each in answers] == [1] * 20
    assert await events_of(house, tenant) == await events_of(house, other) == sorted(e["event_id"] for e in sent)


async def test_with_an_idempotency_key_the_answer_is_kept_and_given_again(house, tenant, ask):
    sent = {**EVENT, "event_id": "e1"}
    answers = [await ask("POST", "/api/usage", sent, Idempotency_Key="k1") for _ in range(2)]
    assert [each.json()["data"]["counted"] for each in answers] == [1, 1]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        assert await tx.fetchval("select count(*) from platform.idempotency_keys") == 1


async def test_a_reason_is_kept_with_the_call_that_gave_it(house, tenant, ask):
    await ask("POST", "/api/usage", {**EVENT, "event_id": "e1"}, Guilder_Reason="moved by hand")
    [call] = await calls_of(house, tenant)
    assert call["payload"]["sealed_reason"]


async def test_a_type_that_is_not_json_is_refused_as_ever(house, ask):
    answer = await house.client.post(
        "/api/usage",
        content=json.dumps({**EVENT, "event_id": "e1"}),
        headers={"authorization": f"Bearer {ask.token}", "content-type": "text/plain"},
    )
    assert answer.status_code == 415


async def test_what_is_read_quickly_is_answered_as_what_is_read_in_full(house, tenant, ground, ask, monkeypatch):
    theirs = {"customer_id": ids.to_text("cus", ground.customer.id), "meter": "calls"}
    events = [{**theirs, "event_id": f"e{n % 3}", "value": "2.50", "properties": {"on": True}} for n in range(4)]
    quickly = await ask("POST", "/api/usage", {"events": events})
    monkeypatch.setattr(quick, "read", lambda body: None)
    in_full = await ask(
        "POST", "/api/usage", {"events": [{**each, "event_id": f"f{n % 3}"} for n, each in enumerate(events)]}
    )
    assert quickly.content == in_full.content.replace(b'"f', b'"e')
    for name in ("content-type", "guilder-version", "ratelimit-limit"):
        assert quickly.headers[name] == in_full.headers[name]


async def test_who_asks_too_much_at_once_is_told_when_to_come_back(ask, held, monkeypatch):
    monkeypatch.setattr("guilder.domain.usage.routes._Readings.size", SMALL)
    asking = [asyncio.create_task(ask("POST", "/api/usage", {**EVENT, "event_id": f"e{n}"})) for n in range(30)]
    refused, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    held.set()
    answers = [each.result() for each in refused]
    assert {(each.status_code, each.json()["code"], each.headers["Retry-After"]) for each in answers} == {
        (503, "overloaded", "1")
    }
    assert 200 in {(await each).status_code for each in waiting}


async def test_what_was_given_is_written_before_the_process_ends(house, tenant, ask, held):
    asking = asyncio.create_task(ask("POST", "/api/usage", {**EVENT, "event_id": "e1"}))
    gatherings = house.app.state.edge.gatherings
    while not held.waiting_in(gatherings):
        await asyncio.sleep(0.01)
    settling = asyncio.create_task(gatherings.settle())
    await asyncio.sleep(0)
    assert not settling.done()
    held.set()
    await settling
    assert await events_of(house, tenant) == ["e1"]
    assert (await asking).status_code == 200


async def test_who_gives_up_is_counted_or_not_and_harms_nobody(house, tenant, ask, held):
    asking = [asyncio.create_task(ask("POST", "/api/usage", {**EVENT, "event_id": f"e{n}"})) for n in range(8)]
    while held.waiting_in(house.app.state.edge.gatherings) < 8:
        await asyncio.sleep(0.01)
    for each in asking[::2]:
        each.cancel()
    held.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [each.status_code for each in answers[1::2]] == [200] * 4
    assert {"e1", "e3", "e5", "e7"} <= set(await events_of(house, tenant))
