"""Asking twice does it once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from guilder.platform.http import idempotency
from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import Toy, a_key, serve_toy


@pytest.fixture(scope="module")
async def toy(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[Toy]:
    async with new_database(cluster, f"edge_keys_{worker_id}") as urls, serve_toy(urls) as toy:
        yield toy


def with_key(key: str, token: str = "admin") -> dict[str, str]:
    return {**a_key(token), "Idempotency-Key": key}


@pytest.mark.shows("fault F1", "ASVS 2.3.3", "ASVS 15.4.2")
async def test_twenty_at_once_make_one(toy: Toy):
    for number in range(10):
        name, headers = f"twins {number}", with_key(f"twins-{number}")
        answers = await asyncio.gather(
            *(toy.client.post("/api/toys", json={"name": name}, headers=headers) for _ in range(20))
        )
        made = {answer.content for answer in answers if answer.status_code == 201}
        refused = [answer.json()["code"] for answer in answers if answer.status_code != 201]
        assert len(made) == 1
        assert set(refused) <= {"idempotency_in_flight"}
        assert await toy.count(name) == 1


@pytest.mark.shows("fault F1")
async def test_a_twin_in_flight_is_told_so(toy: Toy):
    toy.doings.hold, toy.doings.entered = asyncio.Event(), asyncio.Event()
    headers = with_key("held")
    first = asyncio.create_task(toy.client.post("/api/toys", json={"name": "held"}, headers=headers))
    await toy.doings.entered.wait()
    second = await toy.client.post("/api/toys", json={"name": "held"}, headers=headers)
    toy.doings.hold.set()
    toy.doings.hold = None
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
    assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 201


@pytest.mark.shows("fault F3")
async def test_the_answer_is_replayed_byte_for_byte(toy: Toy):
    first = await toy.client.post("/api/toys", json={"name": "again"}, headers=with_key("again"))
    second = await toy.client.post("/api/toys", json={"name": "again"}, headers=with_key("again"))
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_what_follows_a_commit_does_not_follow_a_replay(toy: Toy):
    for _ in range(2):
        await toy.client.post("/api/toys", json={"name": "later"}, headers=with_key("later"))
    assert toy.doings.later.count("later") == 1


@pytest.mark.shows("fault F2")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/toys", {"name": "mismatch", "amount": 2}),
        ("PUT", "/api/toys", {"name": "mismatch"}),
        ("POST", "/api/toys/refused", {"name": "mismatch"}),
    ],
)
async def test_a_key_means_one_request(toy: Toy, method: str, path: str, body: dict[str, object]):
    key = f"mismatch-{uuid4()}"
    await toy.client.post("/api/toys", json={"name": f"first {key}"}, headers=with_key(key))
    answer = await toy.client.request(method, path, json=body, headers=with_key(key))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert await toy.count("mismatch") == 0


@pytest.mark.shows("fault F2", "ASVS 8.4.1")
async def test_a_key_belongs_to_one_tenant_and_each_customer_has_its_own(toy: Toy):
    answers = [
        await toy.client.post("/api/toys", json={"name": f"of {token}"}, headers=with_key("shared", token))
        for token in ("admin", "other", "customer", "neighbour")
    ]
    assert [answer.status_code for answer in answers] == [201] * 4
    same_tenant = await toy.client.post("/api/toys", json={"name": "of admin"}, headers=with_key("shared", "second"))
    assert same_tenant.content == answers[0].content


@pytest.mark.shows("fault F2")
async def test_a_missing_key_is_allowed(toy: Toy):
    answers = [await toy.client.post("/api/toys", json={"name": f"no key {n}"}, headers=a_key()) for n in (1, 2)]
    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.shows("fault F2")
@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "é", "a b "])
async def test_a_key_that_is_none_is_refused(toy: Toy, key: str):
    head = f"POST /api/toys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nIdempotency-Key: {key}\r\n"
    body = b'{"name":"bad key"}'
    answer = await toy.raw(
        head.encode() + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
        + b"Connection: close\r\n\r\n" + body
    )  # fmt: skip
    assert b" 400 " in answer
    assert b"bad_idempotency_key" in answer


@pytest.mark.shows("fault F2", "ASVS 15.3.7")
async def test_a_key_given_twice_is_refused(toy: Toy):
    headers = [("Authorization", "Bearer admin"), ("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = await toy.client.post("/api/toys", json={"name": "two keys"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


@pytest.mark.shows("fault F3", "ASVS 2.3.3")
@pytest.mark.parametrize("path", ["/api/toys/refused", "/api/toys/refused-answer"])
async def test_a_refusal_keeps_nothing_and_frees_the_key(toy: Toy, path: str):
    key, name = f"free {path}", f"refused {path}"
    refused = await toy.client.post(path, json={"name": name}, headers=with_key(key))
    assert refused.status_code == 409
    assert await toy.count(name) == 0
    again = await toy.client.post("/api/toys", json={"name": name}, headers=with_key(key))
    assert again.status_code == 201


@pytest.mark.shows("fault F3", "ASVS 2.3.3", "ASVS 16.5.4")
async def test_a_crash_keeps_nothing_and_frees_the_key(toy: Toy):
    toy.doings.raises = RuntimeError("the machine hiccups")
    crashed = await toy.client.post("/api/toys", json={"name": "crashed"}, headers=with_key("crash"))
    toy.doings.raises = None
    assert (crashed.status_code, await toy.count("crashed")) == (500, 0)
    again = await toy.client.post("/api/toys", json={"name": "crashed"}, headers=with_key("crash"))
    assert (again.status_code, await toy.count("crashed")) == (201, 1)


@pytest.mark.shows("I29", "ASVS 14.2.4")
async def test_the_stored_answer_is_sealed(toy: Toy):
    await toy.client.post("/api/toys", json={"name": "very secret name"}, headers=with_key("sealed"))
    stored = await toy.admin.fetchval("select body from platform.idempotency_keys where key = 'sealed'")
    assert b"secret" not in stored


@pytest.mark.shows("ASVS 14.2.7", "fault F3")
async def test_old_answers_are_forgotten_and_young_ones_never(toy: Toy):
    for age, key in (("73 hours", "old"), ("71 hours", "young")):
        await toy.client.post("/api/toys", json={"name": f"is {key}"}, headers=with_key(key))
        await toy.admin.execute(
            f"update platform.idempotency_keys set created_at = now() - interval '{age}' where key = $1", key
        )
    async with toy.database.transaction(actor="system:purge") as tx:
        await idempotency.purge(tx, before=datetime.now(UTC))
    left = {row["key"] for row in await toy.admin.fetch("select key from platform.idempotency_keys")}
    assert "young" in left
    assert "old" not in left


@pytest.mark.shows("fault F3")
async def test_after_it_is_forgotten_a_rule_of_the_business_still_stands(toy: Toy):
    await toy.client.post("/api/toys", json={"name": "unique"}, headers=with_key("expired"))
    await toy.admin.execute("delete from platform.idempotency_keys where key = 'expired'")
    answer = await toy.client.post("/api/toys", json={"name": "unique"}, headers=with_key("expired"))
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_a_tenant_cannot_read_anothers_keys(toy: Toy):
    await toy.client.post("/api/toys", json={"name": "walls"}, headers=with_key("walls"))
    other = toy.door.known["other"].tenant_id
    async with toy.database.transaction([other], actor="test") as tx:
        assert await tx.fetchval("select count(*) from platform.idempotency_keys where key = 'walls'") == 0


@pytest.mark.shows("ASVS 15.4.2")
async def test_a_clash_is_tried_again_from_the_start(toy: Toy):
    toy.doings.calls, toy.doings.clashes_left = 0, 2
    answer = await toy.client.post("/api/toys", json={"name": "clash"}, headers=with_key("clash"))
    assert (answer.status_code, toy.doings.calls, await toy.count("clash")) == (201, 3, 1)
    assert toy.doings.later.count("clash") == 1


async def test_clashes_without_end_are_busy_and_not_a_fault(toy: Toy):
    toy.doings.clashes_left = 100
    answer = await toy.client.post("/api/toys", json={"name": "clashes"}, headers=with_key("clashes"))
    toy.doings.clashes_left = 0
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.DiskFullError("full"),
        asyncpg.ReadOnlySQLTransactionError("read only"),
        asyncpg.QueryCanceledError("statement timeout"),
        TimeoutError(),
    ],
)
async def test_a_lost_database_is_503(toy: Toy, error: BaseException):
    toy.doings.raises = error
    answer = await toy.client.post("/api/toys", json={"name": "lost"}, headers=with_key("lost"))
    toy.doings.raises = None
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
