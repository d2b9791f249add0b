"""What of a thing a caller may see and say, over HTTP; and whether it has proven lately who it is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from guilder.platform.auth.principal import Kind, Principal, Role
from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import Toy, a_key, serve_toy


@pytest.fixture(scope="module")
async def toy(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[Toy]:
    async with new_database(cluster, f"edge_fields_{worker_id}") as urls, serve_toy(urls) as toy:
        yield toy


async def make(toy: Toy, token: str = "admin", **body: object):
    return await toy.client.post("/api/toys", json={"name": str(uuid4()), **body}, headers=a_key(token))


@pytest.mark.shows("API3", "ASVS 8.2.3")
@pytest.mark.parametrize(("token", "sees"), [("admin", True), ("member", False), ("neighbour", False)])
async def test_an_answer_leaves_out_what_its_reader_may_not_see(toy: Toy, token: str, sees: bool):
    maker = "neighbour" if token == "neighbour" else "admin"
    made = (await make(toy, maker)).json()["data"]
    one = await toy.client.get(f"/api/toys/{made['id']}", headers=a_key(token))
    many = await toy.client.get("/api/toys", headers=a_key(token))
    assert int(one.headers["content-length"]) == len(one.content)
    assert ("made_at" in one.json()["data"]) is sees
    assert {"id", "name", "amount"} <= one.json()["data"].keys()
    assert {("made_at" in each) for each in many.json()["data"]} == {sees}
    assert set(many.json()["page"]) == {"next_cursor", "has_more"}


async def test_what_was_made_is_shown_as_little_as_what_is_read_and_so_is_its_replay(toy: Toy):
    headers = {**a_key("customer"), "Idempotency-Key": "shown-twice"}
    answers = [await toy.client.post("/api/toys", json={"name": "twice"}, headers=headers) for _ in range(2)]
    assert "idempotent-replayed" in answers[1].headers
    assert [set(each.json()["data"]) for each in answers] == [{"id", "name", "amount"}] * 2


async def test_what_a_caller_waited_for_is_shown_as_little(toy: Toy):
    await toy.admin.execute(
        """create or replace function toys.work() returns trigger language plpgsql as
           $$ begin if new.name = 'awaited' then new.amount := 77; end if; return new; end $$"""
    )
    await toy.admin.execute("create trigger work before insert on toys.toy for each row execute function toys.work()")
    headers = {**a_key("customer"), "Prefer": "wait=5"}
    answer = await toy.client.post("/api/toys/slow", json={"name": "awaited"}, headers=headers)
    await toy.admin.execute("drop trigger work on toys.toy")
    data = answer.json()["data"]
    assert (data["amount"], set(data)) == (77, {"id", "name", "amount"})


@pytest.mark.shows("API3", "ASVS 8.2.3", "ASVS 15.3.3", "fault F8")
@pytest.mark.parametrize(
    ("token", "body", "field"),
    [
        ("customer", {"metadata": {}}, "metadata"),
        ("neighbour", {"metadata": {"a": "b"}}, "metadata"),
        ("customer", {"metadata": 7}, "metadata"),
        ("customer", {"metadata": None}, None),
        ("admin", {"metadata": {"a": "b"}}, None),
        ("customer", {"lines": [{"amount": 1}]}, None),
        ("second", {"lines": [{"amount": 1}]}, None),
    ],
)
async def test_a_body_says_nothing_that_is_not_its_senders_to_say(
    toy: Toy, token: str, body: dict[str, object], field: str | None
):
    calls = toy.doings.calls
    answer = await make(toy, token, **body)
    if field is None:
        assert answer.status_code in {201, 422}, answer.text
        assert answer.json().get("code") != "field_not_yours"
        return
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (403, "field_not_yours", field)
    assert toy.doings.calls == calls


async def test_a_field_deep_in_a_body_is_named_by_its_path(toy: Toy):
    toy.door.known["clerk"] = Principal(Kind.API_KEY, "key_clerk", toy.door.known["admin"].tenant_id, Role.BILLING)
    answer = await make(toy, "clerk", lines=[{}, {"amount": 1}])
    assert (answer.status_code, answer.json()["field"]) == (403, "lines[1].amount")


@pytest.mark.parametrize(("token", "status"), [("customer", 403), ("neighbour", 200), ("member", 200)])
async def test_a_parameter_may_be_withheld_as_well(toy: Toy, token: str, status: int):
    answer = await toy.client.get("/api/toys?names=x", headers=a_key(token))
    assert answer.status_code == status
    assert (answer.json().get("field") == "names") is (status == 403)
    assert (await toy.client.get("/api/toys", headers=a_key(token))).status_code == 200


async def test_the_document_says_what_is_not_for_all(toy: Toy):
    schemas = (await toy.client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["ToyOut"]["properties"]["made_at"]["x-guilder-sees"] == {"tenant": "billing", "customer": None}
    assert "made_at" not in schemas["ToyOut"]["required"]
    assert schemas["ToyIn"]["properties"]["metadata"]["x-guilder-sets"] == {"tenant": "billing", "customer": None}
    assert "x-guilder-sets" not in schemas["ToyIn"]["properties"]["name"]


@pytest.mark.shows("ASVS 7.5.3", "ASVS 6.8.4", "API2")
@pytest.mark.parametrize(
    ("kind", "ago_s", "status", "code"),
    [
        (Kind.STAFF, 5, 204, None),
        (Kind.STAFF, 400, 204, None),
        (Kind.STAFF, 700, 403, "step_up_required"),
        (Kind.STAFF, -300, 403, "step_up_required"),
        (Kind.STAFF, None, 403, "step_up_required"),
        (Kind.API_KEY, None, 204, None),
    ],
)
async def test_a_person_proves_lately_who_they_are_and_a_key_need_not(
    toy: Toy, kind: Kind, ago_s: int | None, status: int, code: str | None
):
    verified_at = None if ago_s is None else datetime.now(UTC) - timedelta(seconds=ago_s)
    made = (await make(toy)).json()["data"]["id"]
    tenant_id = toy.door.known["admin"].tenant_id
    toy.door.known["person"] = Principal(kind, "it", tenant_id, Role.ADMIN, verified_at=verified_at)
    answer = await toy.client.delete(f"/api/toys/{made}", headers=a_key("person"))
    assert answer.status_code == status, answer.text
    if code is not None:
        assert answer.json()["code"] == code
        challenge = 'Bearer error="insufficient_user_authentication", max_age=600'
        assert answer.headers["www-authenticate"] == challenge
        assert (await toy.client.get(f"/api/toys/{made}", headers=a_key("person"))).status_code == 200


async def test_whoever_may_not_at_all_is_not_asked_to_prove_anything(toy: Toy):
    tenant_id = toy.door.known["admin"].tenant_id
    toy.door.known["reader"] = Principal(Kind.STAFF, "it", tenant_id, Role.MEMBER)
    answer = await toy.client.delete(f"/api/toys/{uuid4()}", headers=a_key("reader"))
    assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
