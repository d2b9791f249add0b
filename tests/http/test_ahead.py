"""What is served ahead of the application is answered as the application answers it: word for word, good or bad."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from guilder.domain.entitlements.routes import router as entitlements_router
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.domain.usage.routes import BATCH_BYTES_MAX
from guilder.domain.usage.routes import router as usage_router
from guilder.kernel import ids
from guilder.platform.auth.leases import LEASE_S
from guilder.platform.http.ahead import Ahead
from guilder.platform.http.at_hand import OWN
from guilder.platform.http.settings import Allowance, HttpSettings
from guilder.platform.http.shedding import Ceilings
from tests.http.entitlements.acting import eligible
from tests.support.builders.identity import new_tenant
from tests.support.builders.usage import a_meter
from tests.support.given_away import give_away
from tests.support.ground import database_with_vault
from tests.support.identity_provider import NOW
from tests.support.nearby import PATIENT_S, listening
from tests.support.served import PUBLIC_URL, Asking, Served, served

LIMIT = "/api/entitlements/org_1/limits/seats"
USAGE = "/api/usage"
CARD = "4111111111111111"
OWN_NAMES = {each.lower() for each in OWN}


@pytest.fixture(params=["read", "given away"], autouse=True)
def given(request, monkeypatch) -> list[bool] | None:
    """Have what is written together asked ahead of the application, or given away before it is read; there, what was."""
    return give_away(monkeypatch) if request.param == "given away" else None


@dataclass
class Both:
    """A house that is asked both ways: ahead of the application, and with nothing ahead of it."""

    house: Served
    ahead: Ahead
    served: list[bool] = field(default_factory=list)
    observed: list[tuple[str, str, int]] = field(default_factory=list)

    def switch(self, *, is_on: bool) -> None:
        self.house.app.ahead = self.ahead if is_on else None

    async def ask(self, ask: Asking, *request: Any, **headers: str) -> tuple[httpx.Response, httpx.Response]:
        """Ask ahead, then the whole way; `~~` in what is asked is another word each time."""
        answers = []
        for is_on, word in ((True, "aaa"), (False, "bbb")):
            self.switch(is_on=is_on)
            method, path, *body = (_with(each, word) for each in request)
            answers.append(await _sent(ask, method, path, *body, **headers))
        self.switch(is_on=True)
        return answers[0], answers[1]


def _with(said: Any, word: str) -> Any:
    return json.loads(json.dumps(said).replace("~~", word)) if isinstance(said, str | list | dict) else said


async def _sent(ask: Asking, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    if not isinstance(body, str):
        return await ask(method, path, body, **headers)
    said = {name.replace("_", "-"): value for name, value in headers.items()} | {"authorization": f"Bearer {ask.token}"}
    return await ask.client.request(method, path, content=body.encode(), headers=said)


def words(answer: httpx.Response) -> str:
    """Return a body, without what is each request's own: its id, and the word that it was asked with."""
    text = answer.text.replace(answer.headers["x-request-id"], "req")
    return text.replace("aaa", "~~").replace("bbb", "~~")


def head(answer: httpx.Response) -> dict[str, str]:
    return {name: said for name, said in answer.headers.items() if name not in OWN_NAMES}


@asynccontextmanager
async def a_house(database_urls, **more: Any) -> AsyncIterator[Both]:
    observed: list[tuple[str, str, int]] = []

    def observe(*, method: str, route: str, status: int, seconds: float) -> None:
        observed.append((method, route, status))

    async with (
        database_with_vault(database_urls) as database,
        listening(database) as near,
        served(database, [entitlements_router, usage_router], near=near, observe=observe, **more) as house,
    ):
        both = Both(house, house.app.ahead, observed=observed)
        way = both.ahead.served

        async def noted(*request: Any) -> Any:
            left = await way(*request)
            both.served.append(left is None)
            return left

        both.ahead.served = noted
        yield both


@asynccontextmanager
async def a_peopled_house(database_urls, **more: Any) -> AsyncIterator[tuple[Both, Any, Asking]]:
    async with a_house(database_urls, **more) as both:
        tenant = await new_tenant(both.house.database, name="Acme", time_zone="UTC")
        await eligible(both.house, tenant, "org_1")
        async with both.house.database.transaction([tenant.tenant_id], actor="test") as tx:
            await a_meter(tx, code="calls")
        ask = await both.house.key_of(tenant)
        await let_in(ask)
        yield both, tenant, ask


async def let_in(ask: Asking) -> None:
    """Have a key remembered: nobody whom the process does not know is served ahead."""
    await ask("GET", "/api/entitlements/org_none")


@pytest.fixture
async def peopled(database_urls, clean):
    async with a_peopled_house(database_urls) as found:
        yield found


@pytest.fixture
def both(peopled) -> Both:
    return peopled[0]


@pytest.fixture
def tenant(peopled):
    return peopled[1]


@pytest.fixture
def ask(peopled) -> Asking:
    return peopled[2]


def event(**more: Any) -> dict[str, Any]:
    return {"event_id": "e-~~", "meter": "calls", "organization_id": "org_1", **more}


PLAIN = {
    "what is left of a limit": ("GET", LIMIT),
    "a limit that no plan has": ("GET", LIMIT.replace("seats", "desks")),
    "one reading": ("POST", USAGE, event(value="2.50", timestamp="2026-01-02T03:04:05Z")),
    "a batch": ("POST", USAGE, {"events": [event(), event(event_id="f-~~", properties={"a": "b"})]}),
    "the same reading twice": ("POST", USAGE, {"events": [event(), event()]}),
}
ODD = {
    "a customer whom nobody knows": ("GET", LIMIT.replace("org_1", "org_2")),
    "a code that is too long": ("GET", LIMIT.replace("seats", "s" * 65)),
    "a name that is too long": ("GET", LIMIT.replace("org_1", "o" * 256)),
    "a card number for a code": ("GET", LIMIT.replace("seats", CARD)),
    "a letter that nothing holds": ("GET", LIMIT.replace("seats", "a%00b")),
    "a query": ("GET", f"{LIMIT}?x=1"),
    "a slash at its end": ("GET", f"{LIMIT}/"),
    "another method": ("POST", LIMIT, {}),
    "a meter that nobody has": ("POST", USAGE, event(meter="cells")),
    "a reading of nobody": ("POST", USAGE, event(organization_id="org_2")),
    "one good reading beside one bad": ("POST", USAGE, {"events": [event(), event(event_id="f", meter="cells")]}),
    "a field that there is not": ("POST", USAGE, event(colour="red")),
    "no reading": ("POST", USAGE, {"events": []}),
    "nothing": ("POST", USAGE, {}),
    "no JSON": ("POST", USAGE, "{"),
    "an empty body": ("POST", USAGE, ""),
    "a number that is none": ("POST", USAGE, event(value="ten")),
    "a card number in a property": ("POST", USAGE, event(properties={"card": CARD})),
}


@pytest.mark.parametrize("request_", PLAIN.values(), ids=PLAIN)
async def test_what_is_plain_is_answered_ahead_word_for_word(both, ask, request_, given):
    ahead, whole = await both.ask(ask, *request_)
    assert given == [True] if given is not None and request_[0] == "POST" else both.served[-1]
    assert (ahead.status_code, words(ahead), head(ahead)) == (200, words(whole), head(whole))
    assert set(ahead.headers) == set(whole.headers)
    assert both.observed[-2] == both.observed[-1]


async def test_a_path_that_is_asked_again_leads_where_it_led(both, ask, monkeypatch):
    monkeypatch.setattr("guilder.platform.http.ahead.PATHS_MAX", 2)
    for path in [LIMIT.replace("seats", each) for each in ("seats", CARD, "a", "seats", "seats", "b", CARD, "seats")]:
        ahead, whole = await both.ask(ask, "GET", path)
        assert (ahead.status_code, words(ahead), head(ahead)) == (whole.status_code, words(whole), head(whole))
    assert list(both.ahead._led) == [("GET", LIMIT.replace("seats", each)) for each in ("b", "seats")]


@pytest.mark.parametrize("request_", ODD.values(), ids=ODD)
async def test_what_is_odd_is_refused_as_ever(both, ask, request_):
    headers = {"Content_Type": "application/json"} if isinstance(request_[-1], str) and len(request_) > 2 else {}
    ahead, whole = await both.ask(ask, *request_, **headers)
    assert ahead.status_code >= 400
    assert (ahead.status_code, words(ahead), head(ahead)) == (whole.status_code, words(whole), head(whole))
    assert both.observed[-2] == both.observed[-1]
    assert not any(both.served)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Guilder_Version": "1999-01-01"},
        {"Prefer": "wait=1"},
        {"Guilder_Reason": "asked"},
        {"Cookie": "guilder=x"},
        {"Content_Encoding": "gzip"},
        {"Content_Type": "text/plain"},
        {"X_Anything": "new"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_what_has_an_unusual_header_goes_the_whole_way(both, ask, headers):
    for request in (("GET", LIMIT), ("POST", USAGE, json.dumps(event()))):
        said = {"Content_Type": "application/json", **headers} if len(request) > 2 else headers
        ahead, whole = await both.ask(ask, *request, **said)
        assert (ahead.status_code, words(ahead)) == (whole.status_code, words(whole))
    assert not any(both.served)


async def test_a_key_of_an_idempotent_request_is_kept_ahead_and_known_everywhere(both, ask):
    said = {"Content_Type": "application/json", "Idempotency_Key": "k-1"}
    ahead, whole = await both.ask(ask, "POST", USAGE, json.dumps(event()).replace("~~", "1"), **said)
    assert both.served[-1]
    assert (ahead.status_code, whole.status_code, words(ahead)) == (200, 200, words(whole))
    assert whole.headers["idempotent-replayed"] == "true"
    both.served.clear()
    ahead, whole = await both.ask(ask, "POST", USAGE, json.dumps(event()).replace("~~", "2"), **said)
    assert (ahead.status_code, ahead.json()["code"]) == (422, "idempotency_mismatch")
    assert words(ahead) == words(whole)
    ahead, whole = await both.ask(ask, "POST", USAGE, json.dumps(event()), **{**said, "Idempotency_Key": "k" * 256})
    assert (ahead.status_code, ahead.json()["code"], words(ahead)) == (400, "bad_idempotency_key", words(whole))
    ahead, whole = await both.ask(ask, "POST", USAGE, json.dumps(event()), **{**said, "Idempotency_Key": CARD})
    assert (ahead.status_code, ahead.json()["code"], words(ahead)) == (422, "card_number_refused", words(whole))
    assert not any(both.served)


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_nobody_is_let_in_ahead_who_is_not_let_in(both, tenant, ask):
    other = await new_tenant(both.house.database, name="Other")
    stranger, narrow = (
        await both.house.key_of(other),
        await both.house.key_of(tenant, Role.MEMBER, ["plans:read"]),
    )
    almost = ask.token[:-1] + ("y" if ask.token.endswith("x") else "x")
    for who, get, post in (
        (stranger, 404, 422),
        (narrow, 403, 403),
        (both.house.nobody(), 401, 401),
        (Asking(both.house.client, almost), 401, 401),
    ):
        await let_in(who)
        for _ in range(2):
            ahead, whole = await both.ask(who, "GET", LIMIT)
            assert (ahead.status_code, words(ahead)) == (get, words(whole))
            ahead, whole = await both.ask(who, "POST", USAGE, event())
            assert (ahead.status_code, words(ahead)) == (post, words(whole))
    assert not any(both.served)


async def test_a_member_reads_ahead_and_writes_nowhere(both, tenant):
    member = await both.house.key_of(tenant, Role.MEMBER)
    await let_in(member)
    ahead, whole = await both.ask(member, "GET", LIMIT)
    assert (ahead.status_code, words(ahead)) == (200, words(whole))
    ahead, whole = await both.ask(member, "POST", USAGE, event())
    assert (ahead.status_code, words(ahead)) == (403, words(whole))


async def test_a_request_costs_the_same_whoever_answers_it(database_urls, clean):
    """What was taken ahead counts, and is not taken once more by the edge that says what is refused."""
    settings = HttpSettings(public_url=PUBLIC_URL, per_principal=Allowance(1, burst=100))
    left = []
    async with a_peopled_house(database_urls, settings=settings) as (both, _, ask):
        for path in (LIMIT, LIMIT.replace("org_1", "org_2"), LIMIT):
            left += [int(each.headers["ratelimit-remaining"]) for each in await both.ask(ask, "GET", path)]
    assert left == list(range(left[0], left[0] - 6, -1))


async def test_beyond_the_limit_it_is_refused_as_ever(database_urls, clean):
    settings = HttpSettings(public_url=PUBLIC_URL, per_principal=Allowance(5))
    async with a_peopled_house(database_urls, settings=settings) as (both, _, ask):
        answers = [await ask("GET", LIMIT) for _ in range(12)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
    assert answers[-1].headers["retry-after"]
    assert both.served.count(True) <= 4


async def test_a_body_beyond_what_is_taken_is_not_read_ahead(both, ask):
    ahead, whole = await both.ask(ask, "POST", USAGE, event(properties={"a": "b" * BATCH_BYTES_MAX}))
    assert (ahead.status_code, words(ahead)) == (413, words(whole))
    assert not any(both.served)


async def test_where_there_is_no_room_it_is_turned_away_as_ever(database_urls, clean):
    settings = HttpSettings(public_url=PUBLIC_URL, ceilings=Ceilings(per_caller=0))
    async with a_house(database_urls, settings=settings) as both:
        tenant = await new_tenant(both.house.database, name="Acme", time_zone="UTC")
        await eligible(both.house, tenant, "org_1")
        ask = await both.house.key_of(tenant)
        await let_in(ask)
        ahead, whole = await both.ask(ask, "GET", LIMIT)
    assert (ahead.status_code, ahead.json()["code"]) == (429, "too_many_at_once")
    assert whole.json()["code"] == "too_many_at_once"
    assert not any(both.served)


async def test_what_takes_too_long_is_told_by_the_one_who_tells_all(database_urls, clean):
    settings = HttpSettings(public_url=PUBLIC_URL, request_timeout_s=0.3)
    async with a_peopled_house(database_urls, settings=settings) as (both, _, ask):
        holder = await asyncpg.connect(database_urls.owner)
        try:
            async with holder.transaction():
                await holder.execute("lock table usage.events, entitlements.standings in access exclusive mode")
                for request in (("POST", USAGE, event()), ("GET", LIMIT)):
                    ahead, whole = await both.ask(ask, *request)
                    assert (ahead.status_code, words(ahead)) == (503, words(whole))
                    assert ahead.json()["code"] == "database_unavailable"
        finally:
            await holder.close()
        assert not any(both.served)
        assert both.house.app.state.draining.in_flight == 0
        async with asyncio.timeout(PATIENT_S):
            while not (await ask("GET", LIMIT)).is_success:
                await asyncio.sleep(0.05)


async def test_a_crowd_is_answered_by_few_looks_each_by_its_own(both, tenant, ask):
    customers = [await eligible(both.house, tenant, f"org_{n}") for n in range(2, 8)]
    names = [each.organization_id for each in customers] + [ids.to_text("cus", each.id) for each in customers]
    paths = [f"/api/entitlements/{each}/limits/{code}" for each in names for code in ("seats", "desks")]
    await let_in(ask)
    both.served.clear()
    ahead = await asyncio.gather(*(ask("GET", path) for path in paths))
    assert both.served == [True] * len(paths)
    both.switch(is_on=False)
    whole = [await ask("GET", path) for path in paths]
    assert [words(each) for each in ahead] == [words(each) for each in whole]


async def test_a_call_is_recorded_the_same_whichever_way_it_went(both, tenant, ask):
    await both.ask(ask, "POST", USAGE, event(), User_Agent="curl/8.0")
    async with both.house.database.transaction([tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch(
            "select actor, request_id, payload from platform.log where topic = 'audit.calls' order by id"
        )
    [ahead, whole] = [json.loads(row["payload"]) for row in rows if "/api/usage" in row["payload"]]
    assert ahead == whole
    assert ahead["agent"] == "curl"


@pytest.mark.shows("ASVS 8.3.2")
async def test_an_expired_key_is_refused_to_the_second(both, tenant):
    ends = NOW + timedelta(hours=1)
    async with both.house.database.transaction([tenant.tenant_id], actor="test") as tx:
        _, text = await identity.mint_key(tx, name="k", role=Role.ADMIN, scopes=["*"], expires_at=ends, now=NOW)
    ask = Asking(both.house.client, text)
    await let_in(ask)
    assert (await ask("GET", LIMIT)).status_code == 200
    assert both.served[-1]
    both.house.clock.move_to(ends)
    assert (await ask("GET", LIMIT)).status_code == 401


async def test_a_key_that_is_asked_with_all_the_time_stays_remembered(both, ask):
    """It is read anew before it is forgotten: no crowd ever finds it gone. After that it counts for a second of its own."""
    remembered = both.ahead._authenticate._leases._kept
    for _ in range(3):
        before = dict(remembered)
        both.house.clock.move_by(timedelta(seconds=0.6 * LEASE_S))
        assert (await ask("GET", LIMIT)).status_code == 200
        async with asyncio.timeout(PATIENT_S):
            while dict(remembered) == before:
                await asyncio.sleep(0.01)
    assert both.served[-3:] == [True] * 3


async def test_a_sandbox_is_asked_by_its_own_clock(both, tenant):
    async with both.house.database.transaction([tenant.tenant_id], actor="test") as tx:
        sandbox = (await identity.create_sandbox(tx, name="try", starts_at=None, now=NOW)).tenant
    await eligible(both.house, sandbox, "org_1")
    ask = await both.house.key_of(sandbox)
    await let_in(ask)
    ahead, whole = await both.ask(ask, "GET", LIMIT)
    assert (ahead.status_code, words(ahead)) == (200, words(whole))
    assert not any(both.served)
