"""Calls are announced: what was committed once, what was rolled back never, what was refused as far as it fits."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from guilder.kernel import ids
from guilder.platform.http import calls
from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import LIVE_NOW, Toy, a_key, serve_toy


@pytest.fixture(scope="module")
async def toy(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[Toy]:
    async with new_database(cluster, f"edge_calls_{worker_id}") as urls, serve_toy(urls) as toy:
        yield toy


@pytest.fixture
async def told(toy: Toy):
    """What was announced of calls since the test began."""
    since = await toy.admin.fetchval("select coalesce(max(id), 0) from platform.log")

    async def read(name: str = "%"):
        rows = await toy.admin.fetch(
            "select name, actor, request_id, tenant_id, occurred_at, payload from platform.log where id > $1 and name like $2 order by id",
            since,
            name,
        )
        return [dict(row) | {"payload": json.loads(row["payload"])} for row in rows]

    return read


@pytest.mark.shows("I30", "ASVS 16.2.1")
async def test_a_call_that_was_committed_is_told_once(toy: Toy, told):
    headers = {**a_key(), "X-Request-Id": "req-of-this-test", "User-Agent": "curl/8.1 (secret words)"}
    answer = await toy.client.post("/api/toys", json={"name": f"told {uuid4()}"}, headers=headers)
    assert answer.status_code == 201
    [made] = await told("http.%")
    assert (made["name"], made["actor"], made["request_id"]) == (
        "http.call.made",
        "api_key:key_admin",
        "req-of-this-test",
    )
    assert made["occurred_at"] == LIVE_NOW
    assert made["payload"] == {
        "tenant_id": str(made["tenant_id"]),
        "method": "POST",
        "route": "/api/toys",
        "objects": [],
        "caller": "api_key",
        "role": "admin",
        "customer_id": None,
        "network": "127.0.0.0/24",
        "agent": "curl",
        "status": 201,
        "key_hash": None,
        "sealed_reason": None,
    }


async def test_the_ids_of_a_path_are_told_and_nothing_of_body_or_query(toy: Toy, told):
    toy_id = ids.to_text("toy", ids.new(LIVE_NOW))
    answer = await toy.client.delete(f"/api/toys/{toy_id}", headers=a_key())
    assert answer.status_code == 204
    made = await toy.client.post("/api/toys", json={"name": "a secret name"}, headers=a_key())
    assert made.status_code == 201
    found = await told("http.%")
    assert [each["payload"]["objects"] for each in found] == [[toy_id], []]
    assert "a secret name" not in str(found)


@pytest.mark.shows("I30", "ASVS 16.2.1")
@pytest.mark.parametrize("path", ["/api/toys/refused", "/api/toys/refused-answer"])
async def test_what_was_rolled_back_leaves_nothing(toy: Toy, told, path: str):
    answer = await toy.client.post(path, json={"name": f"no {uuid4()}"}, headers=a_key())
    assert answer.status_code == 409
    assert await told() == []


@pytest.mark.shows("I30", "fault F1")
async def test_a_replayed_call_is_told_once(toy: Toy, told):
    headers = {**a_key(), "Idempotency-Key": f"again-{uuid4()}"}
    name = f"again {uuid4()}"
    answers = [await toy.client.post("/api/toys", json={"name": name}, headers=headers) for _ in range(3)]
    assert [each.status_code for each in answers] == [201] * 3
    [made] = await told("http.%")
    assert len(made["payload"]["key_hash"]) == 32


async def test_a_call_that_clashed_and_was_done_again_is_told_once(toy: Toy, told):
    toy.doings.clashes_left = 2
    answer = await toy.client.post("/api/toys", json={"name": f"clash {uuid4()}"}, headers=a_key())
    assert answer.status_code == 201
    assert len(await told("http.call.made")) == 1


async def test_plain_reading_is_not_told(toy: Toy, told):
    assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 200
    assert await told() == []


@pytest.mark.shows("fault G4", "ASVS 16.3.2")
async def test_a_refusal_is_told_with_what_it_refused(toy: Toy, told):
    answer = await toy.client.delete(f"/api/toys/{ids.to_text('toy', ids.new(LIVE_NOW))}", headers=a_key("member"))
    assert answer.status_code == 403
    [denied] = await told("http.%")
    assert (denied["name"], denied["actor"]) == ("http.call.denied", "api_key:key_member")
    assert (denied["payload"]["code"], denied["payload"]["route"]) == ("role_too_low", "/api/toys/{toy_id}")
    assert denied["payload"]["times"] == 1


@pytest.mark.shows("ASVS 16.3.2")
async def test_refusals_without_end_fill_no_disk(toy: Toy, told):
    for _ in range(calls.DENIALS_PER_MINUTE + 30):
        answer = await toy.client.post("/api/toys", json={"name": "no"}, headers=a_key("reader"))
        assert answer.status_code == 403
    assert len(await told("http.call.denied")) == calls.DENIALS_PER_MINUTE
    await toy.app.state.edge.denials.settle()
    found = await told("http.call.denied")
    assert [each["payload"]["times"] for each in found] == [1] * calls.DENIALS_PER_MINUTE + [30]
    assert (await toy.client.post("/api/toys", json={"name": "no"}, headers=a_key("reader"))).status_code == 403
    assert len(await told("http.call.denied")) == calls.DENIALS_PER_MINUTE + 2, "a new minute"


@pytest.mark.parametrize("status", [401, 404, 422])
async def test_other_refusals_are_not_told(toy: Toy, told, status: int):
    asked = {
        401: toy.client.post("/api/toys", json={"name": "x"}, headers=a_key("nobody")),
        404: toy.client.get(f"/api/toys/{ids.to_text('toy', ids.new(LIVE_NOW))}", headers=a_key()),
        422: toy.client.post("/api/toys", json={"nam": "x"}, headers=a_key()),
    }
    answers = {kind: await answer for kind, answer in asked.items()}
    assert answers[status].status_code == status
    assert await told() == []


@pytest.mark.parametrize("reason", ["%00", "%ZZ", "%C3", "a" * 501, "%0A", "%20"])
async def test_a_reason_that_is_none_is_refused(toy: Toy, told, reason: str):
    answer = await toy.client.post("/api/toys", json={"name": "x"}, headers={**a_key(), "Guilder-Reason": reason})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_reason")
    assert await told() == []
