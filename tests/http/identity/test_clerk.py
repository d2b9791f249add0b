"""Clerk over HTTP: its webhooks come in whole or not at all, and its keys are told to nobody."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role, TrustKind
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.database import connected
from tests.support.fakes.clerk import serving_clerk
from tests.support.fakes.clerk.server import SECRET_KEY, WEBHOOK_SECRET
from tests.support.identity_provider import NOW, PARTY, Seconds
from tests.support.served import Asking

LATER = NOW + timedelta(seconds=1)


@pytest.fixture
async def clerk():
    async with serving_clerk() as clerk:
        yield clerk


@pytest.fixture
async def trust(house, tenant, clerk):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        made = await identity.trust(tx, kind=TrustKind.CLERK, issuer=clerk.issuer, authorized_parties=[PARTY], now=NOW)
        await identity.set_clerk_keys(
            tx, trust_id=made.id, secret_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET, now=NOW
        )
        await a_customer(tx, organization_id="org_1")
    return made


async def tell(house, trust, sent, path=None):
    body, headers = sent
    said = {"content-type": "application/json", **headers}
    return await house.client.post(path or f"/api/webhooks/clerk/{trust.id}", content=body, headers=said)


async def counts(database_urls):
    async with connected(database_urls.admin) as admin:
        return tuple(
            [await admin.fetchval(f"select count(*) from identity.{table}") for table in ("notices", "revocations")]
        )


@pytest.mark.shows("fault G4", "fault C2")
async def test_who_left_is_refused_at_the_next_request_however_often_it_is_told(house, trust, clerk, database_urls):
    session = clerk.joins("user_1", "org_1")
    user = Asking(house.client, clerk.token(session, "org_1", at=NOW))
    assert (await user("GET", "/api/customers/org_1")).status_code == 200
    sent = clerk.sent(clerk.leaves("user_1", "org_1", at=LATER), at=NOW)
    told = await asyncio.gather(*[tell(house, trust, sent) for _ in range(10)])
    assert {each.status_code for each in told} == {200}
    assert await counts(database_urls) == (1, 1)
    assert (await user("GET", "/api/customers/org_1")).status_code == 401


async def test_the_names_of_standard_webhooks_are_taken_too(house, trust, clerk, database_urls):
    clerk.joins("user_1", "org_1")
    sent = clerk.sent(clerk.leaves("user_1", "org_1", at=LATER), at=NOW, prefix="webhook")
    assert (await tell(house, trust, sent)).status_code == 200
    assert await counts(database_urls) == (1, 1)


async def test_what_is_of_no_concern_is_kept_and_answered(house, trust, clerk, database_urls):
    sent = clerk.sent({"type": "user.created", "data": {"id": "u"}, "new": {"field": 1}}, at=NOW)
    assert (await tell(house, trust, sent)).status_code == 200
    assert await counts(database_urls) == (1, 0)


@pytest.mark.shows("fault C4", "fault C5", "fault C7", "ASVS 16.5.3", "API10")
async def test_what_is_forged_or_stale_or_unreadable_leaves_nothing(house, trust, tenant, clerk, database_urls):
    clerk.joins("user_1", "org_1")
    event = clerk.leaves("user_1", "org_1", at=LATER)
    body, headers = clerk.sent(event, at=NOW)
    other = "whsec_" + "b3RoZXItc2VjcmV0LW9mLW5vYm9keS0zMi1ieXRlcyE="
    forged = [
        (body, {}),
        (body + b" ", headers),
        (body, {**headers, "svix-signature": "v1,AAAA"}),
        clerk.sent(event, at=NOW, secret=other),
        clerk.sent(event, at=NOW - timedelta(seconds=301)),
        clerk.sent(event, at=NOW + timedelta(seconds=301)),
    ]
    for sent in forged:
        answer = await tell(house, trust, sent)
        assert (answer.status_code, answer.json()["code"]) == (401, "webhook_refused")
    for nowhere in ("0b7e3b5e-0000-7000-8000-000000000000", "nonsense", "..%2f"):
        answer = await tell(house, trust, (body, headers), path=f"/api/webhooks/clerk/{nowhere}")
        assert answer.status_code in {401, 404}
    for unreadable in (b"no json", b"[1]", json.dumps({"type": "user.deleted", "data": {}}).encode()):
        answer = await tell(house, trust, clerk.sent(unreadable, at=NOW))
        assert (answer.status_code, answer.json()["code"]) == (400, "webhook_unreadable")
    assert (await tell(house, trust, (b"x" * 1_000_001, headers))).status_code == 413
    assert await counts(database_urls) == (0, 0)


@pytest.mark.shows("fault C4", "ASVS 16.5.3")
async def test_without_a_secret_nothing_is_believed(house, trust, tenant, clerk, database_urls):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.set_clerk_keys(tx, trust_id=trust.id, secret_key=None, webhook_secret="", now=NOW)
    clerk.joins("user_1", "org_1")
    sent = clerk.sent(clerk.leaves("user_1", "org_1", at=LATER), at=NOW)
    assert (await tell(house, trust, sent)).status_code == 401
    assert await counts(database_urls) == (0, 0)


async def test_the_bare_address_is_the_default_tenants(house, clerk, database_urls):
    body = clerk.sent({"type": "organization.deleted", "data": {"id": "org_1"}}, at=NOW)
    assert (await tell(house, None, body, path="/api/webhooks/clerk")).status_code == 401
    made = await new_tenant(house.database, slug="default")
    async with house.database.transaction([made.tenant_id], actor="test") as tx:
        trust = await identity.trust(tx, kind=TrustKind.CLERK, issuer=clerk.issuer, authorized_parties=[PARTY], now=NOW)
        await identity.set_clerk_keys(tx, trust_id=trust.id, secret_key=None, webhook_secret=WEBHOOK_SECRET, now=NOW)
    assert (await tell(house, None, body, path="/api/webhooks/clerk")).status_code == 200
    assert await counts(database_urls) == (1, 1)


@pytest.mark.shows("I29")
async def test_keys_are_set_and_never_shown(house, tenant, trust):
    admin = await house.key_of(tenant)
    text = f"trust_{trust.id}"
    answer = await admin("PUT", f"/api/token-trusts/{trust.id}/clerk", {"secret_key": SECRET_KEY})
    assert answer.status_code == 200, text
    said = answer.json()["data"]
    assert (said["asks_clerk"], said["hears_clerk"], said["secret_key_hint"]) == (True, True, SECRET_KEY[-4:])
    assert said["webhook_url"] == f"https://billing.example.com/api/webhooks/clerk/{trust.id}"
    shown = await admin("GET", f"/api/token-trusts/{trust.id}/clerk")
    for each in (answer, shown):
        assert SECRET_KEY not in each.text
        assert WEBHOOK_SECRET not in each.text
    refused = await admin("PUT", f"/api/token-trusts/{trust.id}/clerk", {"secret_key": "pk_live_1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_clerk_key")


@pytest.mark.shows("ASVS 7.5.3", "ASVS 16.5.3")
async def test_what_is_sensitive_waits_for_clerk_and_nothing_else_does(house, tenant, trust, clerk):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await identity.invite(tx, email="ana@acme.test", role=Role.ADMIN, now=NOW)
    session = clerk.signs_in("user_1")
    staff = Asking(house.client, clerk.token(session, None, at=NOW, email="ana@acme.test", email_verified=True))
    async with httpx.AsyncClient() as client:
        look = identity.SecondLook(house.database, client=client, monotonic=Seconds(), api_url=clerk.url)
        house.app.state.edge.authenticate._second_look = look
        clerk.mode = "down"
        path = f"/api/token-trusts/{trust.id}/clerk"
        refused = await staff("PUT", path, {})
        assert (refused.status_code, refused.json()["code"]) == (503, "clerk_unavailable")
        assert refused.headers["retry-after"] == "7"
        assert (await staff("GET", "/api/tenant")).status_code == 200
        clerk.mode = "ok"
        assert (await staff("PUT", path, {})).status_code == 200
        clerk.users["user_1"]["banned"] = True
        other = Asking(
            house.client,
            clerk.token(clerk.signs_in("user_1"), None, at=NOW, email="ana@acme.test", email_verified=True),
        )
        assert (await other("PUT", path, {})).status_code == 401
        assert (await other("GET", "/api/tenant")).status_code == 200, "no webhook said so"
