"""Endpoints and deliveries over HTTP."""

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from guilder.domain.identity.model import Mode, Role
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant

EVENTS = Path(__file__).parents[3] / "docs" / "events"
HOOK = {"url": "https://example.com/hook", "events": ["customers.*"], "description": "CRM"}
LOCAL = {**HOOK, "url": "http://localhost:3000/hook", "allows_loopback": True}


async def a_key(house, *, mode=Mode.TEST, role=Role.ADMIN, scopes=("*",)):
    tenant = await new_tenant(house.database, mode=mode)
    return tenant, await house.key_of(tenant, role, scopes)


async def made(ask, **over):
    answer = await ask("POST", "/api/webhook-endpoints", {**HOOK, **over})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


@pytest.mark.shows("SW secret", "fault H4", "I29")
async def test_a_secret_is_shown_when_it_is_made_and_never_again(house):
    _, ask = await a_key(house)
    endpoint = await made(ask)
    assert endpoint["id"].startswith("whe_")
    assert endpoint["secret"].startswith("whsec_")
    assert len(base64.b64decode(endpoint["secret"].removeprefix("whsec_"))) == 32
    rotated = (await ask("POST", f"/api/webhook-endpoints/{endpoint['id']}/rotate")).json()["data"]
    assert rotated["secret"] != endpoint["secret"]
    until, made_at = (datetime.fromisoformat(at) for at in (rotated["old_secret_until"], endpoint["created_at"]))
    assert until - made_at == timedelta(hours=24)
    for path in ("", f"/{endpoint['id']}"):
        answer = await ask("GET", f"/api/webhook-endpoints{path}")
        assert answer.status_code == 200
        assert "whsec_" not in answer.text


async def test_an_endpoint_is_listed_with_its_health_changed_and_deleted(house):
    _, ask = await a_key(house)
    endpoint = await made(ask)
    [listed] = (await ask("GET", "/api/webhook-endpoints")).json()["data"]
    assert (listed["status"], listed["failures"], listed["last_success_at"]) == ("enabled", 0, None)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    changed = await ask("PUT", path, {**HOOK, "events": ["*", "customers.customer.created", "*"], "is_thin": True})
    assert (changed.json()["data"]["events"], changed.json()["data"]["is_thin"]) == (
        ["*", "customers.customer.created"],
        True,
    )
    assert (await ask("POST", f"{path}/enable")).json()["data"]["status"] == "enabled"
    assert (await ask("DELETE", path)).status_code == 200
    assert (await ask("GET", "/api/webhook-endpoints")).json()["data"] == []
    for method, under in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test")):
        answer = await ask(method, path + under, HOOK if method == "PUT" else None)
        assert answer.status_code == 404, (method, under, answer.text)


@pytest.mark.shows("fault H1", "SW https")
@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"url": "http://example.com/"}, "url", "unsafe_url"),
        ({"url": "https://127.0.0.1/"}, "url", "unsafe_url"),
        ({"url": "https://example.com:5432/"}, "url", "unsafe_url"),
        ({"url": "https://user@example.com/"}, "url", "unsafe_url"),
        ({"url": "http://localhost:3000/"}, "url", "unsafe_url"),
        ({"url": "http://10.0.0.1:3000/", "allows_loopback": True}, "url", "unsafe_url"),
        ({"url": ""}, "url", None),
        ({"url": "https://example.com/" + "x" * 2_048}, "url", None),
        ({"events": []}, "events", None),
        ({"events": ["customers.customer.eaten"]}, "events", "unknown_event"),
        ({"events": ["webhooks.*"]}, "events", "unknown_event"),
        ({"events": ["CUSTOMERS.*"]}, "events", None),
        ({"events": ["customers.*"] * 101}, "events", None),
        ({"secret": "whsec_mine"}, "secret", None),
        ({"disabled_at": None}, "disabled_at", None),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(house, over, field, code):
    _, ask = await a_key(house)
    answer = await ask("POST", "/api/webhook-endpoints", {**HOOK, **over})
    assert answer.status_code == 422, answer.text
    assert field in answer.text
    assert code is None or answer.json()["code"] == code
    assert (await ask("GET", "/api/webhook-endpoints")).json()["data"] == []


@pytest.mark.shows("fault H1", "SSRF addresses")
@pytest.mark.parametrize(
    ("mode", "allowed_here", "status"),
    [
        (Mode.SANDBOX, True, 201),
        (Mode.TEST, True, 201),
        (Mode.LIVE, True, 422),
        (Mode.SANDBOX, False, 422),
        (Mode.LIVE, False, 422),
    ],
)
async def test_only_who_plays_may_name_this_machine(house, mode, allowed_here, status):
    _, ask = await a_key(house, mode=mode)
    house.app.state.allows_loopback = allowed_here
    answer = await ask("POST", "/api/webhook-endpoints", LOCAL)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert (answer.json()["code"], "allows_loopback" in answer.text) == ("loopback_not_allowed", True)


@pytest.mark.shows("API4", "ASVS 2.3.2")
async def test_a_tenant_has_twenty_endpoints_and_no_more(house):
    _, ask = await a_key(house)
    for _ in range(20):
        last = await made(ask)
    answer = await ask("POST", "/api/webhook-endpoints", HOOK)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhook_endpoints")
    await ask("DELETE", f"/api/webhook-endpoints/{last['id']}")
    await made(ask)


@pytest.mark.shows("SW replay")
async def test_a_ping_is_a_delivery_that_can_be_looked_at_and_replayed(house):
    _, ask = await a_key(house)
    endpoint = await made(ask)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    ping = await ask("POST", f"{path}/test")
    assert ping.status_code == 202
    [delivery] = (await ask("GET", f"{path}/deliveries")).json()["data"]
    assert delivery == ping.json()["data"]
    assert (delivery["event"], delivery["status"], delivery["is_under_way"]) == ("webhooks.ping", "pending", True)
    whole = (await ask("GET", f"/api/webhook-deliveries/{delivery['id']}")).json()["data"]
    assert '"type":"webhooks.ping"' in whole["body"]
    schema = json.loads((EVENTS / "webhooks.ping.v1.json").read_text())
    assert list(json.loads(whole["body"])["data"]) == schema["required"] == list(schema["properties"])
    assert whole["history"] == []
    assert (await ask("POST", f"/api/webhook-deliveries/{delivery['id']}/replay")).status_code == 202
    span = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    replayed = await ask("POST", f"{path}/replay", {**span, "events": ["webhooks.*"], "only_failed": True})
    assert (replayed.status_code, replayed.json()["data"]) == (202, {"replayed": 0, "has_more": False, "last_id": None})
    for after, status in ((delivery["id"], 202), (endpoint["id"].replace("whe_", "msg_"), 404)):
        assert (await ask("POST", f"{path}/replay", {**span, "after": after})).status_code == status
    for status, found in (("pending", 1), ("dead", 0)):
        listed = await ask("GET", f"{path}/deliveries?status={status}&event=webhooks.ping&limit=1")
        assert len(listed.json()["data"]) == found


@pytest.mark.shows("fault G3", "I28")
async def test_another_tenant_finds_nothing(house):
    _, mine = await a_key(house)
    _, theirs = await a_key(house)
    endpoint = await made(mine)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    ping = (await mine("POST", f"{path}/test")).json()["data"]
    span = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    for method, where, body in [
        ("GET", path, None),
        ("PUT", path, HOOK),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate", None),
        ("POST", f"{path}/enable", None),
        ("POST", f"{path}/test", None),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/replay", span),
        ("GET", f"/api/webhook-deliveries/{ping['id']}", None),
        ("POST", f"/api/webhook-deliveries/{ping['id']}/replay", None),
    ]:
        answer = await theirs(method, where, body)
        assert answer.status_code == 404, (method, where, answer.text)
    assert (await theirs("GET", "/api/webhook-endpoints")).json()["data"] == []


async def test_who_may_only_read_changes_nothing_and_a_customers_user_sees_nothing(house):
    tenant, admin = await a_key(house)
    endpoint = await made(admin)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    for role in (Role.MEMBER, Role.BILLING):
        ask = await house.key_of(tenant, role)
        assert (await ask("GET", path)).status_code == 200
        for method, where in (("POST", "/api/webhook-endpoints"), ("PUT", path)):
            assert (await ask(method, where, HOOK)).status_code == 403
        assert (await ask("POST", f"{path}/rotate")).status_code == 403
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
    await house.trusts(tenant)
    user = house.user_of("org_1")
    for where in ("/api/webhook-endpoints", path, "/api/events"):
        assert (await user("GET", where)).status_code == 403
    assert (await house.nobody()("GET", "/api/events")).status_code == 401
