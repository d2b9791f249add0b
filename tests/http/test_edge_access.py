"""Who may do what; whose rows; whose present."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from guilder.kernel import ids
from guilder.platform.auth.permission import PUBLIC
from guilder.platform.http.access import AccessTable
from guilder.platform.http.guarding import UnguardedRoute, guards_of
from guilder.platform.http.router import Router
from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import LIVE_NOW, PUBLIC_URL, SANDBOX_NOW, Toy, a_key, serve_toy


@pytest.fixture(scope="module")
async def toy(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[Toy]:
    async with new_database(cluster, f"edge_access_{worker_id}") as urls, serve_toy(urls) as toy:
        yield toy


async def make(toy: Toy, name: str, token: str = "admin") -> str:
    answer = await toy.client.post("/api/toys", json={"name": name}, headers=a_key(token))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


@pytest.mark.shows("API2", "ASVS 8.2.1")
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer nobody", "Basic YWRtaW4=", "admin", "Bearer admin x", "bearer\tadmin"],
)
async def test_whoever_is_not_known_gets_one_answer(toy: Toy, header: str | None):
    answer = await toy.client.get("/api/toys", headers={} if header is None else {"Authorization": header})
    body = answer.json() | {"request_id": ""}
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="guilder"'
    assert body == {
        "type": "urn:guilder:problem:unauthenticated", "title": "Unauthorized", "status": 401, "request_id": "",
        "detail": "The request carries no valid credentials.", "code": "unauthenticated",
    }  # fmt: skip


@pytest.mark.shows("ASVS 15.3.7", "API2")
async def test_two_authorizations_are_none(toy: Toy):
    headers = [("Authorization", "Bearer admin"), ("Authorization", "Bearer other")]
    assert (await toy.client.get("/api/toys", headers=headers)).status_code == 401


@pytest.mark.shows("fault G6", "ASVS 14.2.1")
async def test_a_key_in_the_address_opens_nothing(toy: Toy):
    assert (await toy.client.get("/api/toys?api_key=admin&access_token=admin")).status_code == 401


@pytest.mark.shows("API5", "ASVS 8.2.1", "ASVS 8.3.1", "fault G5")
@pytest.mark.parametrize(
    ("token", "method", "code"),
    [
        ("admin", "POST", None),
        ("member", "GET", None),
        ("member", "POST", "role_too_low"),
        ("reader", "GET", None),
        ("reader", "POST", "scope_missing"),
        ("customer", "POST", None),
        ("customer", "DELETE", "not_for_customers"),
        ("neighbour", "DELETE", "not_for_customers"),
        ("member", "DELETE", "role_too_low"),
    ],
)
async def test_kind_role_and_scope_decide(toy: Toy, token: str, method: str, code: str | None):
    path = f"/api/toys/{uuid4()}" if method == "DELETE" else "/api/toys"
    body = {"name": f"{token} {method}"} if method == "POST" else None
    answer = await toy.client.request(method, path, json=body, headers=a_key(token))
    if code is None:
        assert answer.status_code < 300
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, code)


@pytest.mark.shows("API1", "I28", "ASVS 8.4.1", "fault G3")
async def test_another_tenants_thing_is_not_there(toy: Toy):
    made = await make(toy, "mine")
    bodies = []
    for path in (made, ids.to_text("toy", ids.new(LIVE_NOW))):
        answer = await toy.client.get(f"/api/toys/{path}", headers=a_key("other"))
        assert answer.status_code == 404
        bodies.append(answer.json() | {"request_id": ""})
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "path", ["x", "cus_01h455vb4pex5vsknk084sn02q", "{01890a5d-ac96-774b-bcce-b302099a8057}", "%00"]
)
async def test_an_id_that_is_none_is_not_there_either(toy: Toy, path: str):
    answer = await toy.client.get(f"/api/toys/{path}", headers=a_key())
    assert answer.status_code == (422 if path == "%00" else 404)


async def test_an_id_may_also_be_a_plain_uuid(toy: Toy):
    made = await make(toy, "plain")
    plain = ids.from_text("toy", made)
    answer = await toy.client.get(f"/api/toys/{plain}", headers=a_key())
    assert answer.json()["data"]["id"] == made


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_a_customers_user_sees_its_own_only(toy: Toy):
    await make(toy, "the tenant's")
    own = await make(toy, "the customer's", "customer")
    listed = (await toy.client.get("/api/toys", headers=a_key("customer"))).json()["data"]
    assert {"the customer's"} == {each["name"] for each in listed if each["name"].startswith("the ")}
    assert (await toy.client.get(f"/api/toys/{own}", headers=a_key("neighbour"))).status_code == 404


async def test_a_request_lives_in_its_tenants_present(toy: Toy):
    for token, now in (("admin", LIVE_NOW), ("sandbox", SANDBOX_NOW)):
        said = (await toy.client.get("/api/whoami", headers=a_key(token))).json()["data"]
        assert said["now"] == now.isoformat()


async def test_a_transaction_knows_its_request(toy: Toy):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {**a_key(), "X-Request-Id": "from-the-client", "traceparent": trace, "Prefer": "respond-async, wait=99"}
    said = (await toy.client.get("/api/whoami", headers=headers)).json()["data"]
    assert said == {
        "actor": "api_key:key_admin", "now": LIVE_NOW.isoformat(), "request_id": "from-the-client",
        "traceparent": trace, "base_url": PUBLIC_URL, "wait": 30, "version": "2026-11-21",
    }  # fmt: skip


@pytest.mark.shows("ASVS 4.1.3")
async def test_the_host_that_a_client_names_is_not_believed(toy: Toy):
    headers = {**a_key(), "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert (await toy.client.get("/api/whoami", headers=headers)).json()["data"]["base_url"] == PUBLIC_URL


async def test_a_version_that_is_none_is_refused(toy: Toy):
    answer = await toy.client.get("/api/whoami", headers={**a_key(), "Guilder-Version": "1999-01-01"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_version")
    good = await toy.client.get("/api/whoami", headers={**a_key(), "Guilder-Version": "2026-11-21"})
    assert good.headers["guilder-version"] == "2026-11-21"


@pytest.mark.shows("fault F11")
async def test_pages_hold_every_row_once(toy: Toy):
    for number in range(7):
        await make(toy, f"paged {number}", "sandbox")
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        answer = (await toy.client.get("/api/toys", params=params, headers=a_key("sandbox"))).json()
        seen += [each["name"] for each in answer["data"]]
        cursor = answer["page"]["next_cursor"]
        assert answer["page"]["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert seen == [f"paged {number}" for number in reversed(range(7))]


@pytest.mark.shows("fault F6", "fault G3", "ASVS 8.4.1")
async def test_a_cursor_is_good_for_one_list_of_one_tenant(toy: Toy):
    for number in range(3):
        await make(toy, f"cursor {number}")
    cursor = (await toy.client.get("/api/toys?limit=1", headers=a_key())).json()["page"]["next_cursor"]
    tampered = ("B" if cursor[0] != "B" else "C") + cursor[1:]
    for path, token, given in (
        ("/api/toys", "other", cursor),
        ("/api/toys", "customer", cursor),
        ("/api/others", "admin", cursor),
        ("/api/toys", "admin", tampered),
        ("/api/toys", "admin", cursor[:-2]),
        ("/api/toys", "admin", "é"),
        ("/api/toys", "admin", ""),
    ):
        answer = await toy.client.get(path, params={"cursor": given}, headers=a_key(token))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), (path, token, given)
    assert (await toy.client.get("/api/toys", params={"cursor": cursor}, headers=a_key("second"))).status_code == 200


async def test_a_caller_may_wait_for_what_is_done_in_the_background(toy: Toy):
    async def worker() -> None:
        await toy.admin.execute("update toys.toy set amount = 77 where name = 'awaited'")

    toy.doings.looks = 0
    unhurried = await toy.client.post("/api/toys/slow", json={"name": "unhurried"}, headers=a_key())
    assert (unhurried.status_code, toy.doings.looks) == (202, 0)
    in_vain = await toy.client.post("/api/toys/slow", json={"name": "in vain"}, headers={**a_key(), "Prefer": "wait=1"})
    assert in_vain.json()["data"]["amount"] == 0
    assert in_vain.headers["preference-applied"] == "wait=1"
    await toy.client.post("/api/toys", json={"name": "x", "amount": 77}, headers=a_key())
    await toy.admin.execute("create table if not exists toys.nothing()")
    await toy.admin.execute(
        """create or replace function toys.work() returns trigger language plpgsql as
           $$ begin if new.name = 'awaited' then new.amount := 77; end if; return new; end $$"""
    )
    await toy.admin.execute("create trigger work before insert on toys.toy for each row execute function toys.work()")
    answer = await toy.client.post("/api/toys/slow", json={"name": "awaited"}, headers={**a_key(), "Prefer": "wait=5"})
    await toy.admin.execute("drop trigger work on toys.toy")
    assert answer.json()["data"]["amount"] == 77
    await worker()


@pytest.mark.shows("API5", "ASVS 8.1.1")
def test_a_permission_is_said_in_the_table_and_nowhere_else():
    with pytest.raises(TypeError, match="wiring/access"):
        Router().get("/open", permission=PUBLIC)


def test_a_handler_that_would_block_does_not_start():
    with pytest.raises(AssertionError, match="async"):

        @Router().get("/blocking")
        def blocking() -> None: ...


@pytest.mark.shows("API5", "API9", "ASVS 8.2.1")
@pytest.mark.parametrize("way", ["add_api_route", "add_route", "mount", "api_route", "websocket"])
async def test_no_way_around_the_router_starts(toy: Toy, way: str):
    router = Router(prefix="/around")

    async def around() -> None: ...

    if way == "mount":
        router.mount("/m", toy.app)
    elif way in {"api_route", "websocket"}:
        getattr(router, way)("/x")(around)
    else:
        getattr(router, way)("/x", around)
    app = type(toy.app)(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    with pytest.raises(UnguardedRoute, match="edge"):
        guards_of(app, AccessTable({}))
