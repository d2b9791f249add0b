"""Two persons over HTTP: a key asks, a person grants, and whoever asked does not."""

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.domain.invoicing.routes import router as invoicing_router
from guilder.domain.payments.routes import router as payments_router
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.ground import database_with_vault
from tests.support.identity_provider import NOW, claims
from tests.support.served import KEY, Asking, served

pytestmark = pytest.mark.shows("ASVS 2.3.5")


@pytest.fixture
async def house(database_urls, clean):
    async with (
        database_with_vault(database_urls) as database,
        served(database, [invoicing_router, payments_router]) as house,
    ):
        yield house


@pytest.fixture
async def tenant(house):
    made = await new_tenant(house.database, name="Acme")
    await house.trusts(made)
    async with house.database.transaction([made.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_1")
        for name in ("ana", "ben"):
            await identity.invite(tx, email=f"{name}@acme.test", role=Role.ADMIN, now=NOW)
    return made


def person(house, name, **over):
    now = int(NOW.timestamp())
    said = {"sub": name, "email": f"{name}@acme.test", "email_verified": True, "auth_time": now, **over}
    return Asking(house.client, KEY.sign(claims(org_id=None, org_role=None, **said)))


async def code(asking, *what):
    answer = await asking(*what)
    return answer.status_code, answer.json().get("code")


GRANT = {"customer_id": "org_1", "amount": 5_000, "currency": "EUR", "reason": "A whole week was lost"}


async def test_a_key_asks_and_a_person_grants(house, tenant):
    key, ana, ben = await house.key_of(tenant), person(house, "ana"), person(house, "ben")
    said = await key("PUT", "/api/two-person-limits", {"credits": {"EUR": 1_000}})
    assert said.json()["data"]["credits"] == {"EUR": 1_000}
    assert await code(ana, "POST", "/api/credits", GRANT) == (409, "second_person_needed")

    asked = (await ana("POST", "/api/credit-requests", {"grant": GRANT})).json()["data"]
    assert (asked["status"], asked["amount"], asked["kind"]) == ("requested", 5_000, "grant")
    assert asked["asked_by"].startswith("staff:mem_")
    path = f"/api/credit-requests/{asked['id']}"
    assert await code(ana, "POST", f"{path}/grant") == (403, "second_person_is_the_first")
    assert await code(key, "POST", f"{path}/grant") == (403, "second_person_is_no_person")
    stale = person(house, "ben", auth_time=int(NOW.timestamp()) - 3_600)
    assert await code(stale, "POST", f"{path}/grant") == (403, "step_up_required")
    granted = await ben("POST", f"{path}/grant")
    assert (granted.status_code, granted.json()["data"]["status"]) == (200, "granted")
    assert await code(ben, "POST", f"{path}/grant") == (409, "illegal_step")
    assert (await ben("GET", path)).json()["data"]["decided_by"] != asked["asked_by"]
    listed = (await ben("GET", "/api/credit-requests?customer_id=org_1&status=granted")).json()["data"]
    assert [each["id"] for each in listed] == [asked["id"]]


@pytest.mark.shows("API1", "fault G3")
async def test_nobody_else_asks_sees_or_grants(house, tenant):
    key = await house.key_of(tenant)
    asked = (await key("POST", "/api/credit-requests", {"grant": GRANT})).json()["data"]
    path = f"/api/credit-requests/{asked['id']}"
    other = await house.key_of(await new_tenant(house.database))
    customer = house.user_of("org_1")
    for what in (("GET", path), ("POST", f"{path}/grant"), ("POST", f"{path}/refuse")):
        assert (await other(*what)).status_code == 404
        assert (await customer(*what)).status_code == 403
    assert (await other("POST", "/api/credit-requests", {"grant": GRANT})).status_code == 404
    assert (await other("GET", "/api/credit-requests")).json()["data"] == []
    for what in (("GET", "/api/two-person-limits"), ("PUT", "/api/two-person-limits", {})):
        assert (await customer(*what)).status_code == 403
    assert (await key("POST", f"{path}/refuse")).json()["data"]["status"] == "refused"


async def test_looser_limits_are_wished_for_and_agreed_to(house, tenant):
    key, ana, ben = await house.key_of(tenant), person(house, "ana"), person(house, "ben")
    await key("PUT", "/api/two-person-limits", {"refunds": {"EUR": 100}, "credits": {"EUR": 0}})
    said = (await ana("PUT", "/api/two-person-limits", {})).json()["data"]
    assert (said["refunds"], said["credits"]) == ({"EUR": 100}, {"EUR": 0})
    assert (said["wanted"]["refunds"], said["wanted"]["credits"]) == ({}, {})
    assert await code(ana, "POST", "/api/two-person-limits/grant") == (403, "second_person_is_the_first")
    assert (await ben("POST", "/api/two-person-limits/grant")).json()["data"]["refunds"] == {}
    assert await code(ben, "POST", "/api/two-person-limits/grant") == (404, "not_found")
    assert (await ben("POST", "/api/two-person-limits/refuse")).json()["data"]["wanted"] is None


@pytest.mark.parametrize(
    "body", [{}, {"grant": GRANT, "pay_out": {"customer_id": "org_1", "currency": "EUR"}}, {"x": 1}]
)
async def test_one_thing_is_asked_for_at_a_time(house, tenant, body):
    key = await house.key_of(tenant)
    assert (await key("POST", "/api/credit-requests", body)).status_code == 422
