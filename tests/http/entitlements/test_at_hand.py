"""What was answered a moment ago is at hand; and nobody is let in by it who is shut out, nor by a key that is revoked."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from guilder.domain.entitlements.routes import KEPT, router
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.platform import metrics
from guilder.platform.http.app import Application
from guilder.platform.http.at_hand import OWN
from guilder.platform.http.settings import Allowance, HttpSettings
from tests.http.entitlements.acting import block, eligible
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.given_away import as_sent
from tests.support.ground import database_with_vault
from tests.support.identity_provider import NOW
from tests.support.nearby import PATIENT_S, listening, tells
from tests.support.served import PUBLIC_URL, Asking, served

PATH = "/api/entitlements/org_1"
OWN_NAMES = {each.lower() for each in OWN}


@pytest.fixture(params=["by the application", "at once", "word for word"], autouse=True)
def way(request, monkeypatch):
    """Have the application asked by its server, or its server find the answer by itself, as `wire` does: by what a request
    says, or by its bytes, where it was read before."""
    if request.param == "by the application":
        return
    as_ever = Application.__call__

    def find(app, scope):
        if request.param == "at once":
            return app.at_once(scope)
        app.remember(as_sent(scope), scope)
        return app.at_once_again(as_sent(scope))

    async def call(app, scope, receive, send):
        found = find(app, scope) if scope["type"] == "http" else None
        if found is None:
            await as_ever(app, scope, receive, send)
            return
        head, body = found
        await send({"type": "http.response.start", "status": 200, "headers": list(head)})
        await send({"type": "http.response.body", "body": body})

    monkeypatch.setattr(Application, "__call__", call)


@asynccontextmanager
async def a_house(database_urls, **more):
    async with (
        database_with_vault(database_urls) as database,
        listening(database) as near,
        served(database, [router], near=near, **more) as house,
    ):
        tells(database, near)
        yield house


@pytest.fixture
async def house(database_urls, clean):
    async with a_house(database_urls) as house:
        yield house


@pytest.fixture
async def elsewhere(database_urls, clean):
    """Return the database as another process has it, which tells of what it changes."""
    async with database_with_vault(database_urls) as database:
        tells(database)
        yield database


def from_hand() -> float:
    said = {"room": KEPT.room, "outcome": "near"}
    return metrics.registry.get_sample_value("guilder_cache_reads_total", said) or 0.0


async def at_hand(ask, path=PATH):
    """Ask twice; return the second answer, which comes from hand."""
    assert (await ask("GET", path)).status_code == 200
    before = from_hand()
    answer = await ask("GET", path)
    assert from_hand() == before + 1
    return answer


async def goes_the_whole_way(ask, path=PATH, **headers):
    await at_hand(ask)
    before = from_hand()
    answer = await ask("GET", path, **headers)
    assert from_hand() == before
    return answer


async def test_what_is_at_hand_is_the_answer_word_for_word_with_its_headers(ask, customer):
    first = await ask("GET", PATH)
    again = await at_hand(ask)
    assert again.content == first.content
    assert {n: v for n, v in again.headers.items() if n not in OWN_NAMES} == {
        n: v for n, v in first.headers.items() if n not in OWN_NAMES
    }
    assert set(again.headers) == set(first.headers)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


async def test_it_costs_what_every_request_costs(ask, customer):
    one, other = await at_hand(ask), await at_hand(ask)
    assert int(other.headers["ratelimit-remaining"]) < int(one.headers["ratelimit-limit"])
    assert other.headers["ratelimit-limit"] == one.headers["ratelimit-limit"]


async def test_beyond_the_limit_it_is_refused_as_ever(database_urls, clean):
    settings = HttpSettings(public_url=PUBLIC_URL, per_principal=Allowance(5))
    async with a_house(database_urls, settings=settings) as house:
        tenant = await new_tenant(house.database, name="Acme")
        await eligible(house, tenant, "org_1")
        ask = await house.key_of(tenant)
        answers = [await ask("GET", PATH) for _ in range(12)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"]


@pytest.mark.shows("I18")
async def test_a_block_by_this_process_is_followed_at_once(house, ask, customer):
    assert (await at_hand(ask)).json()["data"]["eligible"]
    await block(house.database, customer)
    assert not (await ask("GET", PATH)).json()["data"]["eligible"]


@pytest.mark.shows("I18")
async def test_a_block_by_another_process_is_followed_as_soon_as_it_is_heard(ask, customer, elsewhere):
    assert (await at_hand(ask)).json()["data"]["eligible"]
    await block(elsewhere, customer)
    async with asyncio.timeout(PATIENT_S):
        while (await ask("GET", PATH)).json()["data"]["eligible"]:
            await asyncio.sleep(0.01)


@pytest.mark.shows("fault D5")
async def test_where_the_word_of_it_is_lost_it_is_old_for_its_seconds_and_no_longer(house, ask, customer, elsewhere):
    assert (await at_hand(ask)).json()["data"]["eligible"]
    elsewhere.on_touched = None  # who blocked died between the commit and saying so
    await block(elsewhere, customer)
    assert (await ask("GET", PATH)).json()["data"]["eligible"]
    house.clock.move_by(timedelta(seconds=KEPT.seconds))
    assert not (await ask("GET", PATH)).json()["data"]["eligible"]


async def test_whoever_must_know_how_it_is_now_is_answered_by_the_database(ask, customer, elsewhere):
    """Read-your-writes: who names a position, or `now`, is never shown what another process has changed meanwhile."""
    assert (await at_hand(ask)).json()["data"]["eligible"]
    elsewhere.on_touched = None
    await block(elsewhere, customer)
    for said in ("0/0", "now"):
        answer = await ask("GET", PATH, Guilder_Position=said)
        assert not answer.json()["data"]["eligible"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Guilder_Version": "1999-01-01"},
        {"Cookie": "guilder=x"},
        {"Prefer": "wait=1"},
        {"X_Anything": "new"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_what_has_an_unusual_header_goes_the_whole_way(ask, customer, headers):
    await goes_the_whole_way(ask, **headers)


async def test_what_asks_for_something_else_goes_the_whole_way(ask, customer):
    assert (await goes_the_whole_way(ask, f"{PATH}?x=1")).status_code == 422
    assert (await goes_the_whole_way(ask, f"{PATH}/limits/seats")).status_code == 200


async def test_what_is_left_of_a_limit_is_never_at_hand(ask, customer):
    before = from_hand()
    for _ in range(3):
        assert (await ask("GET", f"{PATH}/limits/seats")).status_code == 200
    assert from_hand() == before


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_what_is_at_hand_for_one_is_not_shown_to_another(house, tenant, ask, customer):
    await at_hand(ask)
    other = await new_tenant(house.database, name="Other")
    stranger, narrow = await house.key_of(other), await house.key_of(tenant, Role.MEMBER, ["plans:read"])
    for _ in range(3):
        assert (await stranger("GET", PATH)).status_code == 404
        assert (await narrow("GET", PATH)).status_code == 403
        assert (await house.nobody()("GET", PATH)).status_code == 401
        almost = ask.token[:-1] + ("y" if ask.token.endswith("x") else "x")
        assert (await Asking(house.client, almost)("GET", PATH)).status_code == 401


async def test_a_sandbox_is_always_asked(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        sandbox = (await identity.create_sandbox(tx, name="try", starts_at=None, now=NOW)).tenant
    ask = await house.key_of(sandbox)
    async with house.database.transaction([sandbox.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1", now=NOW)
    before = from_hand()
    assert [(await ask("GET", PATH)).status_code for _ in range(3)] == [200] * 3
    assert from_hand() == before


@pytest.fixture
async def deaf(database_urls, clean, monkeypatch):
    """Return a tenant, and its key as a process remembers it that hears nothing; its seconds pass as they do."""
    monkeypatch.setattr("guilder.platform.cache.near.Near.told", lambda *_: None)
    async with a_house(database_urls, runs=True) as house:
        tenant = await new_tenant(house.database, name="Acme")
        await eligible(house, tenant, "org_1")
        ask = await house.key_of(tenant)
        assert [(await ask("GET", PATH)).status_code for _ in range(3)] == [200] * 3
        yield tenant, ask


@pytest.mark.shows("ASVS 8.3.2")
async def test_a_revoked_key_is_refused_with_the_next_request_though_no_word_of_it_was_heard(deaf, elsewhere):
    """Who revokes waits until nobody remembers the key: this holds without any word, also of a process that is deaf."""
    tenant, ask = deaf
    await revoke(elsewhere, tenant)
    assert (await ask("GET", PATH)).status_code == 401
    assert (await ask("GET", f"{PATH}/limits/seats")).status_code == 401


@pytest.mark.shows("fault G4")
async def test_a_suspended_tenant_is_refused_with_the_next_request(deaf, elsewhere):
    tenant, ask = deaf
    async with elsewhere.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
    assert (await ask("GET", PATH)).status_code == 401


async def test_an_expired_key_is_refused_to_the_second(house, tenant, customer):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        ends = NOW + timedelta(hours=1)
        _, text = await identity.mint_key(tx, name="k", role=Role.ADMIN, scopes=["*"], expires_at=ends, now=NOW)
    ask = Asking(house.client, text)
    await at_hand(ask)
    house.clock.move_to(ends)
    assert (await ask("GET", PATH)).status_code == 401


async def revoke(database, tenant):
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        for key in await identity.keys(tx):
            await identity.revoke_key(tx, key_id=key.id, now=NOW)


async def test_who_names_a_request_is_answered_by_that_name(ask, customer):
    await at_hand(ask)
    for name in ("request-0001", "request-0001", "request-0002"):
        before = from_hand()
        assert (await ask("GET", PATH, X_Request_Id=name)).headers["x-request-id"] == name
        assert from_hand() == before + 1


def test_what_is_remembered_of_a_request_is_no_key(house, ask):
    app = house.app
    scope = {
        "method": "GET",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {ask.token}".encode())],
    }
    head = f"GET {PATH} HTTP/1.1\r\nauthorization: Bearer {ask.token}\r\n\r\n".encode()
    app.remember(head, scope)
    assert app.at_hand._said
    assert ask.token not in repr(app.at_hand._said)


@pytest.mark.parametrize(
    "head",
    [
        "GET {path} HTTP/1.1\r\nauthorization: {key}\r\nuser-agent: {key}\r\n\r\n",
        "GET {path} HTTP/1.1\r\nauthorization: {key}\r\naccept: " + "a" * 4_096 + "\r\n\r\n",
    ],
    ids=["the key stands there twice", "it is long"],
)
def test_what_cannot_be_told_of_a_request_is_not_remembered(house, ask, head):
    key = f"Bearer {ask.token}"
    scope = {"method": "GET", "path": PATH, "query_string": b"", "headers": [(b"authorization", key.encode())]}
    house.app.remember(head.format(path=PATH, key=key).encode(), scope)
    assert not house.app.at_hand._said
