"""Who may ask for what about whom, over HTTP."""

import pytest

from guilder.domain.identity.model import Role
from guilder.domain.privacy import jobs
from guilder.kernel.ids import Ref
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database)


@pytest.fixture
async def customer(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        return await a_customer(tx, organization_id="org_1", name="Ada Nettlecombe")


@pytest.fixture
async def ask(house, tenant, customer):
    await house.trusts(tenant)
    return await house.key_of(tenant)


async def work(house, tenant):
    for _ in range(20):
        async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
            rows = await tx.fetch("select * from privacy.requests_due($1, $2, 1)", tenant.tenant_id, NOW)
            if not rows:
                return
            await jobs.carry_out(tx, [Ref(rows[0]["tenant_id"], rows[0]["id"])], now=NOW)


def body(kind, **over):
    return {"customer": "org_1", "kind": kind, "reason": "Ada wrote to us", **over}


async def test_an_export_begins_at_once_and_has_no_file_yet(ask):
    asked = await ask("POST", "/api/privacy/requests", body("export"))
    assert asked.status_code == 202, asked.text
    data = asked.json()["data"]
    assert (data["state"], data["reason"], data["has_file"]) == ("running", "Ada wrote to us", False)
    assert data["due_at"][:10] == "2026-03-31"
    early = await ask("GET", f"/api/privacy/requests/{data['id']}/file")
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    again = await ask("POST", "/api/privacy/requests", body("export"))
    assert (again.status_code, again.json()["code"]) == (409, "asked_already")


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_a_customers_user_asks_for_itself_and_sees_nobody_elses(house, tenant, ask):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2")
    hers = (await ask("POST", "/api/privacy/requests", body("objection"))).json()["data"]
    other = house.user_of("org_2")
    assert (await other("GET", "/api/privacy/requests")).json()["data"] == []
    assert (await other("GET", f"/api/privacy/requests/{hers['id']}")).status_code == 404
    assert (await other("GET", f"/api/privacy/requests/{hers['id']}/file")).status_code in (403, 404)
    member = house.user_of("org_1", "member")
    assert (await member("GET", "/api/privacy/requests")).status_code == 403
    own = await house.user_of("org_1")("GET", f"/api/privacy/requests/{hers['id']}")
    assert own.json()["data"]["kind"] == "objection"


async def test_what_is_done_by_hand_is_noted_with_its_outcome(ask):
    made = (await ask("POST", "/api/privacy/requests", body("rectification"))).json()["data"]
    assert made["state"] == "asked"
    path = f"/api/privacy/requests/{made['id']}"
    refused = await ask("POST", f"{path}/grant", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_done_by_hand")
    done = (await ask("POST", f"{path}/complete", {"outcome": "The name was mended."})).json()["data"]
    assert (done["state"], done["outcome"]) == ("done", "The name was mended.")
    assert (await ask("POST", f"{path}/cancel", {})).json()["code"] == "illegal_step"


async def test_an_erasure_is_carried_out_and_says_what_is_kept(house, tenant, ask):
    made = (await ask("POST", "/api/privacy/requests", body("erasure"))).json()["data"]
    assert made["state"] == "waiting"
    await work(house, tenant)
    done = (await ask("GET", f"/api/privacy/requests/{made['id']}")).json()["data"]
    assert done["state"] == "done"
    assert {each["what"] for each in done["kept"]} >= {"ledger_and_payments", "privacy_requests"}
    again = await ask("POST", "/api/privacy/requests", body("erasure"))
    assert (again.status_code, again.json()["code"]) == (409, "customer_erased")


async def test_a_refusal_says_why(ask):
    made = (await ask("POST", "/api/privacy/requests", body("erasure"))).json()["data"]
    said = {"reason": "A claim is before the court.", "legal_ground": "GDPR Art. 17(3)(e)"}
    refused = (await ask("POST", f"/api/privacy/requests/{made['id']}/refuse", said)).json()["data"]
    assert (refused["state"], refused["outcome"], refused["legal_ground"]) == ("refused", *said.values())


@pytest.mark.parametrize("role", [Role.BILLING, Role.MEMBER])
async def test_only_administrators_ask(house, tenant, customer, role):
    asking = await house.key_of(tenant, role)
    assert (await asking("POST", "/api/privacy/requests", body("export"))).status_code == 403
    assert (await asking("GET", "/api/privacy/requests")).status_code == 403


async def test_consents_are_said_and_read(ask):
    said = {"customer": "org_1", "purpose": "newsletter", "version": "2026-01", "is_given": True, "proof": "form"}
    made = await ask("POST", "/api/privacy/consents", said)
    assert made.status_code == 201, made.text
    assert (await ask("POST", "/api/privacy/consents", {**said, "purpose": "News!"})).status_code == 422
    [found] = (await ask("GET", "/api/privacy/consents")).json()["data"]
    assert (found["purpose"], found["is_given"], found["proof"]) == ("newsletter", True, "form")


async def test_retention_is_reported_and_set_within_its_least(ask):
    rules = {each["kind"]: each for each in (await ask("GET", "/api/privacy/retention")).json()["data"]}
    assert (rules["documents"]["days"], rules["messages"]["days"], rules["messages"]["due"]) == (None, 730, 0)
    changed = await ask("PUT", "/api/privacy/retention", {"messages_days": 90})
    assert {each["kind"]: each["days"] for each in changed.json()["data"]}["messages"] == 90
    back = await ask("PUT", "/api/privacy/retention", {"messages_days": None})
    assert {each["kind"]: each["days"] for each in back.json()["data"]}["messages"] == 730
    short = await ask("PUT", "/api/privacy/retention", {"provider_notices_days": 7})
    assert (short.status_code, short.json()["code"]) == (422, "kept_too_short")


async def test_another_tenants_request_is_as_good_as_none(house, ask):
    made = (await ask("POST", "/api/privacy/requests", body("restriction"))).json()["data"]
    stranger = await house.key_of(await new_tenant(house.database))
    for method, tail in (("GET", ""), ("GET", "/file"), ("POST", "/cancel")):
        answer = await stranger(method, f"/api/privacy/requests/{made['id']}{tail}", {} if method == "POST" else None)
        assert answer.status_code == 404, (method, tail, answer.text)
