import asyncio
from datetime import timedelta

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from tests.support.builders.identity import NOW, a_sandbox, new_tenant

ROUTES = [
    ("GET", "/api/tenant"),
    ("PATCH", "/api/tenant"),
    ("GET", "/api/tenant/issuer"),
    ("PUT", "/api/tenant/issuer"),
    ("GET", "/api/api-keys"),
    ("POST", "/api/api-keys"),
    ("DELETE", "/api/api-keys/key_01h455vb4pex5vsknk084sn02q"),
    ("POST", "/api/sandboxes"),
    ("GET", "/api/clock"),
    ("POST", "/api/clock/advance"),
    ("GET", "/api/token-trusts"),
    ("POST", "/api/token-trusts"),
    ("DELETE", "/api/token-trusts/trust_01h455vb4pex5vsknk084sn02q"),
    ("GET", "/api/members"),
    ("POST", "/api/members"),
]


@pytest.fixture
async def ask(house, tenant):
    return await house.key_of(tenant)


@pytest.fixture
async def sandbox(house):
    async with house.database.transaction(actor="test") as tx:
        return await a_sandbox(tx, time_zone="UTC")


@pytest.mark.shows("API2", "PCI 8.3.1")
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_is_answered_without_credentials(house, method, path):
    answer = await house.nobody()(method, path, {} if method in {"POST", "PUT", "PATCH"} else None)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.shows("API5")
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_customers_user_has_no_business_here(house, tenant, method, path):
    await house.trusts(tenant)
    ask = await house.key_of(tenant)
    await ask("POST", "/api/customers", {"organization_id": "org_1", "name": "Ada"})
    answer = await house.user_of("org_1")(method, path, {} if method in {"POST", "PUT", "PATCH"} else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_for_customers")


@pytest.mark.shows("API5", "ASVS 8.2.1")
async def test_a_member_may_read_and_not_write(house, tenant):
    ask = await house.key_of(tenant, role=Role.MEMBER)
    assert (await ask("GET", "/api/tenant")).status_code == 200
    assert (await ask("PATCH", "/api/tenant", {"name": "X"})).json()["code"] == "role_too_low"
    assert (await ask("GET", "/api/api-keys")).json()["code"] == "role_too_low"


async def test_the_tenant_is_read_and_renamed(ask):
    assert (await ask("GET", "/api/tenant")).json()["data"]["mode"] == "test"
    changed = await ask("PATCH", "/api/tenant", {"name": "Acme Holding", "time_zone": "Europe/Paris"})
    assert changed.status_code == 200, changed.text
    found = (await ask("GET", "/api/tenant")).json()["data"]
    assert (found["name"], found["time_zone"]) == ("Acme Holding", "Europe/Paris")
    assert found["id"].startswith("ten_")


@pytest.mark.parametrize("body", [{"mode": "live"}, {"status": "active"}, {"time_zone": "Mars/Olympus"}, {"name": ""}])
async def test_what_is_not_to_be_changed_is_refused(ask, body):
    assert (await ask("PATCH", "/api/tenant", body)).status_code == 422


async def test_the_issuer_is_set_and_read(ask):
    body = {"legal_name": "Acme B.V.", "address": {"city": "Amsterdam", "country": "NL"}, "terms_days": 14}
    assert (await ask("PUT", "/api/tenant/issuer", body)).status_code == 200
    found = (await ask("GET", "/api/tenant/issuer")).json()["data"]
    assert (found["legal_name"], found["address"]["city"], found["terms_days"]) == ("Acme B.V.", "Amsterdam", 14)
    logo = '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>'
    refused = await ask("PUT", "/api/tenant/issuer", {**body, "logo_svg": logo})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_logo")


@pytest.mark.shows("fault G6", "fault G4", "PCI 8.2.5")
async def test_a_key_is_shown_once_works_and_is_revoked(house, ask):
    made = await ask("POST", "/api/api-keys", {"name": "CI", "role": "billing", "scopes": ["tenant:read"]})
    assert made.status_code == 201, made.text
    key = made.json()["data"]
    theirs = type(ask)(ask.client, key["key"])
    assert (await theirs("GET", "/api/tenant")).status_code == 200
    assert (await theirs("GET", "/api/clock")).json()["code"] == "scope_missing"
    listed = await ask("GET", "/api/api-keys")
    assert key["key"] not in listed.text
    assert key["id"] in {each["id"] for each in listed.json()["data"]}
    revoked = await ask("DELETE", f"/api/api-keys/{key['id']}")
    assert revoked.json()["data"]["revoked_at"] is not None
    assert (await theirs("GET", "/api/tenant")).status_code == 401


@pytest.mark.shows("API5", "fault G5", "ASVS 8.2.1")
async def test_a_key_cannot_give_what_it_does_not_hold(house, tenant):
    ask = await house.key_of(tenant, scopes=["api_keys:write"])
    refused = await ask("POST", "/api/api-keys", {"name": "more", "role": "admin", "scopes": ["*"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_held")


@pytest.mark.shows("fault G3", "API1")
async def test_another_tenants_key_is_as_unknown_as_none(house, ask):
    theirs = await new_tenant(house.database)
    async with house.database.transaction([theirs.tenant_id], actor="test") as tx:
        key, _ = await identity.mint_key(tx, name="x", role=Role.ADMIN, scopes={"*"}, expires_at=None, now=NOW)
    for unknown in (str(key.id), "key_01h455vb4pex5vsknk084sn02q"):
        answer = await ask("DELETE", f"/api/api-keys/{unknown}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such API key")
    assert theirs.name not in (await ask("GET", "/api/tenant")).json()["data"]["slug"]


async def test_a_sandbox_is_made_with_a_key_and_a_clock_of_its_own(ask):
    made = await ask("POST", "/api/sandboxes", {"starts_at": "2030-01-31T12:00:00Z"}, Idempotency_Key="once-only")
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert data["mode"] == "sandbox"
    theirs = type(ask)(ask.client, data["api_key"]["key"])
    assert (await theirs("GET", "/api/tenant")).json()["data"]["id"] == data["id"]
    clock = (await theirs("GET", "/api/clock")).json()["data"]
    assert (clock["now"], clock["state"], clock["is_sandbox"]) == ("2030-01-31T12:00:00Z", "at_rest", True)
    again = await ask("POST", "/api/sandboxes", {"starts_at": "2030-01-31T12:00:00Z"}, Idempotency_Key="once-only")
    assert again.json() == made.json()


async def test_only_a_sandboxs_clock_is_moved(ask):
    assert (await ask("GET", "/api/clock")).json()["data"]["is_sandbox"] is False
    refused = await ask("POST", "/api/clock/advance", {"by": {"days": 1}})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_sandbox")


async def test_moving_the_clock_answers_with_where_it_goes(house, sandbox):
    ask = await house.key_of(sandbox)
    sent = await ask("POST", "/api/clock/advance", {"by": {"months": 1, "hours": 2}})
    assert sent.status_code == 202, sent.text
    assert sent.json()["data"] == {
        "now": "2026-03-01T12:00:00Z",
        "target": "2026-04-01T14:00:00Z",
        "state": "advancing",
        "detail": "",
        "is_sandbox": True,
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "to_or_by"),
        ({"to": "2027-01-01T00:00:00Z", "by": {"days": 1}}, "to_or_by"),
        ({"to": "2020-01-01T00:00:00Z"}, "clock_goes_back"),
        ({"to": "2199-01-01T00:00:00Z"}, "clock_too_far"),
        ({"to": "2027-01-01T00:00:00"}, "bad_instant"),
        ({"by": {"days": -1}}, "greater_than_equal"),
        ({"by": {"days": "1"}}, "int_type"),
        ({"by": {"years": 1}}, "unknown_field"),
    ],
)
async def test_a_clock_is_sent_nowhere_that_makes_no_sense(house, sandbox, body, code):
    ask = await house.key_of(sandbox)
    answer = await ask("POST", "/api/clock/advance", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_whoever_prefers_to_wait_is_answered_when_the_clock_is_there(house, sandbox):
    ask = await house.key_of(sandbox)
    there = NOW + timedelta(days=1)

    async def arrive() -> None:
        while True:
            await asyncio.sleep(0.05)
            async with house.database.transaction([sandbox.tenant_id], actor="test") as tx:
                if (await identity.sandbox_clock(tx)).target is not None:
                    await identity.Sandboxes().move(tx, sandbox.tenant_id, now=there, arrived=True)
                    return

    machine = asyncio.create_task(arrive())
    answer = await ask("POST", "/api/clock/advance", {"by": {"days": 1}}, Prefer="wait=20")
    await machine
    found = answer.json()["data"]
    assert (answer.status_code, found["state"], found["now"]) == (202, "at_rest", "2026-03-02T12:00:00Z")


async def test_waiting_in_vain_answers_with_the_way_that_is_left(house, sandbox):
    ask = await house.key_of(sandbox)
    answer = await ask("POST", "/api/clock/advance", {"by": {"days": 1}}, Prefer="wait=1")
    assert (answer.status_code, answer.json()["data"]["state"]) == (202, "advancing")


@pytest.mark.shows("I29", "ASVS 14.2.6")
async def test_a_trust_is_added_listed_without_its_secret_and_removed(ask):
    body = {
        "kind": "introspection",
        "issuer": "https://auth.example",
        "introspection_url": "https://auth.example/introspect",
        "client_id": "guilder",
        "client_secret": "canary-s3cret",
    }
    made = await ask("POST", "/api/token-trusts", body)
    assert made.status_code == 201, made.text
    listed = await ask("GET", "/api/token-trusts")
    assert [each["id"] for each in listed.json()["data"]] == [made.json()["data"]["id"]]
    assert "canary" not in made.text + listed.text
    path = f"/api/token-trusts/{made.json()['data']['id']}"
    assert (await ask("DELETE", path)).status_code == 200
    assert (await ask("DELETE", path)).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"public_key_pem": "nonsense", "jwks_url": ""}, "public_key_pem"),
        ({"jwks_url": "http://169.254.169.254/keys"}, "jwks_url"),
        ({"jwks_url": "file:///etc/passwd"}, "jwks_url"),
        ({"jwks_url": "https://10.0.0.7/keys"}, "jwks_url"),
        ({"jwks_url": "https://0x7f000001/keys"}, "jwks_url"),
        ({"jwks_url": "https://idp.example:5432/keys"}, "jwks_url"),
        ({"audience": ""}, "authorized_parties"),
        ({"issuer": "idp"}, "issuer"),
    ],
)
async def test_a_trust_that_could_not_work_is_refused_by_field(ask, change, field):
    body = {"kind": "oidc", "issuer": "https://idp.example", "jwks_url": "https://idp.example/k", "audience": "guilder"}
    answer = await ask("POST", "/api/token-trusts", {**body, **change})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_token_trust"), answer.text
    assert field in answer.text


async def test_staff_are_invited_once(ask):
    made = await ask("POST", "/api/members", {"email": "eve@acme.example", "role": "billing"})
    assert made.json()["data"]["has_joined"] is False
    again = await ask("POST", "/api/members", {"email": "EVE@acme.example"})
    assert (again.status_code, again.json()["code"]) == (409, "member_exists")
    assert [each["email"] for each in (await ask("GET", "/api/members")).json()["data"]] == ["eve@acme.example"]
