"""The audit over HTTP: who did what and why; looked at by administrators, who are seen looking."""

import csv
import hashlib
import io
import json

import pytest

from guilder.domain.audit.rules.chain import FIELDS
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.platform.db.database import riding
from guilder.platform.http import calls
from guilder.platform.outside import files
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import connected

SOMEBODY = {"organization_id": "org_jane", "name": "Jane Doe", "email": "jane@example.com", "kind": "person"}


@pytest.fixture
async def admin(house):
    return await house.key_of(await new_tenant(house.database))


async def actions(asking, **query):
    answer = await asking("GET", "/api/audit?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.shows("I30", "ASVS 16.2.1", "ASVS 16.3.3")
async def test_a_change_is_told_by_its_call_its_event_and_its_row(house, admin, settle):
    made = await admin("POST", "/api/customers", SOMEBODY, X_Request_Id="req-made-them")
    customer = made.json()["data"]
    changed = await admin(
        "PATCH", f"/api/customers/{customer['id']}", {"time_zone": "Europe/Paris"}, X_Request_Id="req-changed-them"
    )
    assert changed.status_code == 200, changed.text
    await settle()
    found = await actions(admin, request_id="req-changed-them")
    assert sorted(each["action"] for each in found) == [
        "customers.customer.updated",
        "http.call.made",
        "platform.row.changed",
    ]
    row = next(each for each in found if each["action"] == "platform.row.changed")
    assert (row["object_kind"], row["customer_id"]) == ("customers.customers", customer["id"])
    assert row["details"]["before"]["time_zone"] != row["details"]["after"]["time_zone"] == "Europe/Paris"
    assert {each["actor"] for each in found} == {row["actor"]}
    about = await actions(admin, object=customer["id"])
    assert {"http.call.made", "customers.customer.created"} <= {each["action"] for each in about}


@pytest.mark.shows("I31", "ASVS 16.2.5")
async def test_nothing_of_a_person_is_in_it(house, admin, settle, database_urls):
    await admin("POST", "/api/customers", SOMEBODY)
    await admin(
        "PATCH", "/api/customers/org_jane", {"name": "Jane Roe", "email": "roe@example.com", "metadata": {"a": "Jane"}}
    )
    await settle()
    async with connected(database_urls.admin) as superuser:
        rows = await superuser.fetch("select r::text as text from audit.records r")
        heard = await superuser.fetch("select l::text as text from platform.log l where topic like 'audit.%'")
    texts = " ".join(row["text"] for row in [*rows, *heard]).lower()
    assert len(rows) > 3
    for word in ("jane", "roe", "org_jane", "example.com"):
        assert word not in texts


async def test_why_is_kept_sealed_and_shown_to_whoever_may_look(house, admin, settle, database_urls):
    made = await admin("POST", "/api/customers", SOMEBODY, Guilder_Reason="asked%20by%20phone%3A%20J%C3%BCrgen")
    assert made.status_code == 201, made.text
    await settle()
    [call] = await actions(admin, action="http.call.made")
    assert call["reason"] == "asked by phone: Jürgen"
    assert "sealed_reason" not in call["details"]
    async with connected(database_urls.admin) as superuser:
        texts = await superuser.fetch("select r::text as text from audit.records r")
    assert not any("rgen" in row["text"] for row in texts)


@pytest.mark.shows("ASVS 16.3.3", "ASVS 8.2.1")
async def test_only_administrators_look_and_are_seen_looking(house, admin, settle):
    tenant = await new_tenant(house.database)
    billing = await house.key_of(tenant, Role.BILLING)
    boss = await house.key_of(tenant)
    assert (await billing("GET", "/api/audit")).status_code == 403
    assert (await house.nobody()("GET", "/api/audit")).status_code == 401
    assert (await boss("GET", "/api/audit")).status_code == 200
    assert (await boss("GET", "/api/audit")).status_code == 200, "looking again within the hour is the same looking"
    await settle()
    names = [each["action"] for each in await actions(boss, action="http.*")]
    assert sorted(names) == ["http.call.denied", "http.read.made"]
    assert all(each["action"] != "http.call.denied" for each in await actions(admin))


@pytest.mark.shows("API1")
async def test_another_tenants_record_is_not_there(house, admin, settle):
    other = await house.key_of(await new_tenant(house.database))
    await other("POST", "/api/customers", SOMEBODY)
    await settle()
    theirs = (await actions(other))[0]["id"]
    mine, nobodys = (
        await admin("GET", f"/api/audit/{theirs}"),
        await admin("GET", "/api/audit/evt_01h455vb4pex5vsknk084sn02q"),
    )
    assert (mine.status_code, mine.json()["detail"]) == (404, nobodys.json()["detail"])
    assert (await other("GET", f"/api/audit/{theirs}")).json()["data"]["id"] == theirs


@pytest.mark.parametrize(
    "query",
    [
        "object=x",
        "object=inv_1",
        "action=DROP",
        "action=*",
        "since=yesterday",
        "customer_id=",
        "cursor=x",
        "limit=0",
        "who=me",
    ],
)
async def test_a_question_that_is_none_is_refused(admin, query):
    answer = await admin("GET", f"/api/audit?{query}")
    assert answer.status_code in {400, 422}, answer.text


@pytest.mark.shows("I30", "ASVS 1.2.10")
async def test_an_export_can_be_verified_by_whoever_has_it(house, admin, settle):
    await admin("POST", "/api/customers", SOMEBODY, Guilder_Reason="=cmd()")
    for n in range(3):
        await admin("POST", "/api/customers", {**SOMEBODY, "organization_id": f"org-{n}"})
    await settle()
    asked = (await admin("POST", "/api/audit/exports", {})).json()["data"]
    assert asked["status"] == "running"
    early = await admin("GET", f"/api/audit/exports/{asked['id']}/lines")
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    await settle()
    done = (await admin("GET", f"/api/audit/exports/{asked['id']}")).json()["data"]
    assert (done["status"], done["is_complete"]) == ("done", True)
    lines = [json.loads(line) for line in (await fetched(admin, asked, "lines")).splitlines()]
    assert len(lines) == done["records"] > 8
    heads: dict[str, str] = {}
    for said in sorted(lines, key=lambda each: (int(each["partition"]), int(each["seq"]))):
        assert said["previous_hash"] == heads.get(said["partition"], "00" * 32)
        assert said["hash"] == hash_by_hand(said)
        heads[said["partition"]] = said["hash"]
    table = list(csv.DictReader(io.StringIO(await fetched(admin, asked, "table"))))
    assert {row["reason"] for row in table} == {"", "'=cmd()"}
    assert {row["hash"] for row in table} == {said["hash"] for said in lines}


async def test_an_export_may_be_larger_than_what_is_put_whole(house, admin, settle, monkeypatch):
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 1_000)
    await admin("POST", "/api/customers", SOMEBODY)
    await settle()
    asked = (await admin("POST", "/api/audit/exports", {})).json()["data"]
    await settle()
    assert (await admin("GET", f"/api/audit/exports/{asked['id']}")).json()["data"]["status"] == "done"
    assert len(await fetched(admin, asked, "lines")) > 1_000


async def fetched(asking, export, kind):
    led = await asking("GET", f"/api/audit/exports/{export['id']}/{kind}")
    assert led.status_code == 302, led.text
    path = led.headers["location"].removeprefix("https://billing.example.com")
    return (await asking.client.get(path)).text


def hash_by_hand(said):
    """The recipe of docs/design/audit.md, written a second time."""
    raw = b"guilder.audit.1\n" + bytes.fromhex(said["previous_hash"])
    for name in FIELDS:
        value = said[name]
        raw += b"\xff" * 4 if value is None else len(value.encode()).to_bytes(4, "big") + value.encode()
    return hashlib.sha256(raw).hexdigest()


async def test_nobody_has_verified_yet(admin):
    said = (await admin("GET", "/api/audit/verification")).json()["data"]
    assert (said["is_sound"], said["verified_at"]) == (None, None)


@pytest.mark.shows("I30")
async def test_a_page_that_opens_its_own_transaction_is_told_where_it_announces(house, settle, database_urls):
    tenant = await new_tenant(house.database)
    async with connected(database_urls.admin) as superuser:
        since = await superuser.fetchval("select coalesce(max(id), 0) from platform.log")
        caller = calls.Caller("POST", "/checkout/{token}/pay", (), None, "192.0.2.0/24", "Firefox")

        async def now_of(_tx):
            return NOW

        token = riding.set(calls.rider(caller, now_of, reason=None))
        try:
            async with house.database.transaction(actor="checkout", request_id="req-of-a-page") as tx:
                await tx.fetchval("select 1")  # looks, and announces nothing
            async with house.database.transaction(
                [tenant.tenant_id], actor="checkout", request_id="req-of-a-page"
            ) as tx:
                await identity.mint_key(tx, name="k", role=Role.MEMBER, scopes=["*"], expires_at=None, now=NOW)
        finally:
            riding.reset(token)
        rows = await superuser.fetch(
            "select name, actor, request_id, payload::jsonb->>'status' as status from platform.log where id > $1 and name like 'http.%'",
            since,
        )
    assert [tuple(row) for row in rows] == [("http.call.made", "checkout", "req-of-a-page", None)]
