"""Requests on the worst day: answers that get lost, twins at once, keys used twice, and numbers that are none."""

import asyncio
import json
from uuid import uuid4

import httpx
import pytest

from tests.scenarios.conftest import START
from tests.support.doctor import assert_healthy
from tests.support.world import a_world
from tests.support.worst_day import a_mortal_installation, answers_get_lost, frozen, killed, raw_exchange

TWINS = 20
PAY = {"customer": "acme", "amount": 1500, "currency": "EUR", "description": "A report"}
SUBSCRIBE = {"organization_id": "acme", "plan_id": "pro", "billing_cycle": "monthly"}
PLAN = {"code": "basic", "name": "Basic", "prices": [{"billing_cycle": "monthly", "amount": 900, "currency": "EUR"}]}
BODIES = {"/api/plans": PLAN, "/pay": PAY, "/api/subscriptions": SUBSCRIBE}
OTHERS = {
    "/api/plans": {**PLAN, "code": "other"},
    "/pay": {**PAY, "amount": 1501},
    "/api/subscriptions": {**SUBSCRIBE, "metadata": {"by": "another"}},
}
MADE = {"/api/plans": "/api/plans", "/pay": "/api/orders", "/api/subscriptions": "/api/subscriptions/acme"}


@pytest.fixture(scope="module")
async def mortal(cluster, worker_id, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mortal")
    async with a_mortal_installation(cluster, f"requests_{worker_id}", folder, workers=1, schedulers=1) as running:
        yield running


@pytest.fixture
async def world(mortal):
    async with a_world(mortal, starts_at=START) as world:
        await world.plan()
        await world.customer()
        yield world
        await assert_healthy(mortal, tenant_id=world.tenant_id)


async def ids_at(world, path):
    found = await world.get(MADE[path])
    return {each["id"] for each in (found if isinstance(found, list) else [found])}


def back_again(installation):
    installation.until_answering(f"{installation.base_url}/ready", "api")


@pytest.mark.parametrize("path", ["/pay", "/api/subscriptions"])
async def test_a3_an_api_killed_between_commit_and_answer_replays_it_to_whoever_asks_again(world, mortal, path):
    api = mortal.processes["api"]
    headers = {"Authorization": f"Bearer {world.api_key}", "Idempotency-Key": f"a3-{uuid4()}"}
    async with answers_get_lost(mortal.port, api.kill) as wire:
        with pytest.raises(httpx.TransportError):
            await httpx.AsyncClient(trust_env=False, timeout=20).post(wire + path, json=BODIES[path], headers=headers)
    assert not api.is_running
    api.start()
    back_again(mortal)

    again = await world.http.post(path, json=BODIES[path], headers=headers)
    once_more = await world.http.post(path, json=BODIES[path], headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.content == once_more.content
    assert await ids_at(world, path) == {again.json()["data"]["id"]}
    assert len(await world.get("/api/invoices")) == 1


async def asked_until_answered(world, path, key):
    """What a careful client does: the same request under the same key until it is answered."""
    while True:
        try:
            answer = await world.http.post(path, json=BODIES[path], headers={"Idempotency-Key": key})
        except httpx.TransportError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code not in {409, 503}:
            return answer
        assert answer.status_code == 503 or answer.json()["code"] == "idempotency_in_flight", answer.text
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("path", ["/pay", "/api/subscriptions"])
async def test_f1_twenty_at_once_with_one_key_make_one_though_the_api_is_killed_amid_them(world, mortal, path):
    key = f"f1-{uuid4()}"
    async with frozen(world, "customers.customers") as freeze:
        asking = [asyncio.create_task(asked_until_answered(world, path, key)) for _ in range(TWINS)]
        await freeze.until_blocked()
        with killed(mortal.processes["api"]):
            pass
    answers = await asyncio.wait_for(asyncio.gather(*asking), 180)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1, "one executed"
    assert await ids_at(world, path) == {answers[0].json()["data"]["id"]}
    assert len(await world.get("/api/invoices")) == 1


@pytest.mark.shows("fault F1", "ASVS 2.3.3")
@pytest.mark.parametrize(
    "after_s", [0.0, pytest.param(0.02, marks=pytest.mark.slow), pytest.param(0.06, marks=pytest.mark.slow)]
)
async def test_f1_twenty_at_once_make_one_whenever_the_api_is_killed(world, mortal, after_s):
    key = f"f1-{uuid4()}"
    asking = [asyncio.create_task(asked_until_answered(world, "/pay", key)) for _ in range(TWINS)]
    await asyncio.sleep(after_s)
    with killed(mortal.processes["api"]):
        pass
    answers = await asyncio.wait_for(asyncio.gather(*asking), 180)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await ids_at(world, "/pay") == {answers[0].json()["data"]["id"]}


@pytest.mark.shows("fault F2", "ASVS 8.4.1")
@pytest.mark.parametrize("path", BODIES)
async def test_f2_a_key_means_one_request_of_one_tenant(world, mortal, path):
    key = {"Idempotency-Key": f"f2-{uuid4()}"}
    first = await world.http.post(path, json=BODIES[path], headers=key)
    assert first.status_code == 201, first.text
    before = await ids_at(world, path)

    other_body = await world.http.post(path, json=OTHERS[path], headers=key)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_mismatch")
    for elsewhere in set(BODIES) - {path}:
        answer = await world.http.post(elsewhere, json=BODIES[elsewhere], headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch"), elsewhere
    assert await ids_at(world, path) == before

    async with a_world(mortal, starts_at=START) as neighbour:
        await neighbour.plan()
        await neighbour.customer()
        theirs = await neighbour.http.post(path, json=BODIES[path], headers=key)
        assert theirs.status_code == 201, theirs.text
        assert "idempotent-replayed" not in theirs.headers
        assert theirs.json()["data"]["id"] not in before


NO_KEYS = (b"", b" ", b"k" * 256, b"a\x00b", b"a\x01b", b"a\x7fb", b"\xff\xfe", "schl\u00fcssel".encode())


@pytest.mark.parametrize("path", BODIES)
async def test_f2_a_key_that_is_none_is_refused(world, path):
    before = await counted(world)
    for key in NO_KEYS:
        status, _ = await sent_raw(world, path, json.dumps(BODIES[path]).encode(), b"Idempotency-Key: " + key + b"\r\n")
        assert status == 400, key
    assert await counted(world) == before


async def test_f2_two_keys_in_one_request_are_refused(world):
    status, _ = await sent_raw(
        world, "/pay", json.dumps(PAY).encode(), b"Idempotency-Key: one\r\nIdempotency-Key: two\r\n"
    )
    assert status == 400


async def test_f2_without_a_key_the_business_itself_refuses_a_second_one(world):
    await world.post("/api/plans", PLAN)
    assert (await world.http.post("/api/plans", json=PLAN)).status_code == 409
    await world.subscribe()
    second = await world.http.post("/api/subscriptions", json=SUBSCRIBE)
    assert second.status_code == 409, second.text


async def sent_raw(world, path, body, more=b""):
    """POST these very bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {world.api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    return await raw_exchange(world.installation.base_url, head.encode() + more + b"\r\n" + body)


AMOUNTS = {
    "/api/plans": (
        "prices[0].amount",
        b'{"code":"raw","name":"Raw","prices":[{"billing_cycle":"monthly","currency":"EUR","amount":%s}]}',
    ),
    "/pay": ("amount", b'{"customer":"acme","currency":"EUR","amount":%s}'),
    "/api/subscriptions": (
        "quantity",
        b'{"organization_id":"acme","plan_id":"pro","billing_cycle":"monthly","quantity":%s}',
    ),
}
NO_NUMBERS = [
    b"-1", b"NaN", b"Infinity", b"-Infinity", b"1e400", b"1e3", b"1e999999999", b"9223372036854775808",
    b"-9223372036854775809", b"18446744073709551616", b"true", b"false", b'"1"', b'"1_000"', b"1_000",
    b"0.1", b"1.0", b"-0.0", b"9" * 4301, b"[1]", b'{"minor":1}', b"0x10", b"+1", b"01", b'""', b'"NaN"',
]  # fmt: skip


@pytest.mark.shows("fault F4", "ASVS 2.2.2")
@pytest.mark.parametrize("path", AMOUNTS)
async def test_f4_what_is_no_amount_is_refused_by_the_path_of_its_field_and_makes_nothing(world, path):
    field, template = AMOUNTS[path]
    before = await counted(world)
    for amount in NO_NUMBERS:
        status, body = await sent_raw(world, path, template % amount)
        shown = amount[:20]
        # What is no JSON at all cannot be read (400); a number that cannot be is refused by name (422).
        assert status in {400, 422}, (shown, status, body)
        problem = json.loads(body)
        if status == 400:
            assert amount in {b"1_000", b"0x10", b"+1", b"01"}, (shown, problem)
            assert problem["code"] == "malformed_json", (shown, problem)
        else:
            assert problem["field"] == field, (shown, problem)
    twice = template.replace(b"%s", b'1,"%s":2' % field.rpartition(".")[2].encode())
    status, body = await sent_raw(world, path, twice)
    assert (status, json.loads(body)["code"], json.loads(body)["field"]) == (422, "duplicate_key", field)
    assert await counted(world) == before


@pytest.mark.parametrize(("path", "amount"), [("/pay", b"0"), ("/pay", b"-0"), ("/api/subscriptions", b"0")])
async def test_f4_nothing_is_no_price_to_pay(world, path, amount):
    field, template = AMOUNTS[path]
    status, body = await sent_raw(world, path, template % amount)
    assert (status, json.loads(body)["field"]) == (422, field)


@pytest.mark.parametrize("path", AMOUNTS)
async def test_f4_no_amount_at_all_is_no_amount_of_nothing(world, path):
    before = await counted(world)
    assert (await sent_raw(world, path, AMOUNTS[path][1] % b"null"))[0] == 422
    assert await counted(world) == before


@pytest.mark.parametrize("amount", [b"0", b"-0", b"2147483648", b"9223372036854775807"])
async def test_f4_an_amount_of_64_bits_is_kept_to_the_last_digit(world, amount):
    status, body = await sent_raw(world, "/api/plans", AMOUNTS["/api/plans"][1] % amount)
    assert status == 201, body
    assert (await world.get("/api/plans/raw"))["prices"][0]["amount"] == int(amount)


async def test_f4_what_is_owed_is_exact_beyond_32_bits_and_refused_beyond_64(world):
    status, body = await sent_raw(world, "/pay", AMOUNTS["/pay"][1] % b"2147483648")
    assert (status, json.loads(body)["data"]["amount_due"]) == (201, 2_147_483_648)
    dear = AMOUNTS["/api/plans"][1] % b"9223372036854775807"
    assert (await sent_raw(world, "/api/plans", dear))[0] == 201
    too_much = b'{"organization_id":"acme","plan_id":"raw","billing_cycle":"monthly","quantity":1000000000}'
    status, body = await sent_raw(world, "/api/subscriptions", too_much)
    assert 400 <= status < 500, (status, body)


async def counted(world):
    return [len(await world.get(path)) for path in ("/api/plans", "/api/orders", "/api/invoices")]
