import pytest

from guilder.domain.identity.model import Role
from guilder.domain.notifications.model import Kind
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.builders.notifications import a_message


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database, name="Northwind")


@pytest.fixture
async def customer(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        return await a_customer(tx, organization_id="org_1")


@pytest.fixture
async def told(tell, customer):
    [made] = await tell(a_message(customer))
    return made


@pytest.mark.shows("ASVS 8.2.3", "ASVS 14.2.6")
@pytest.mark.parametrize(("role", "sees"), [(Role.MEMBER, False), (Role.BILLING, True)])
async def test_a_message_is_read_by_those_who_bill_and_that_it_was_sent_by_all_staff(house, tenant, told, role, sees):
    ask = await house.key_of(tenant, role)
    answer = await ask("GET", f"/api/notifications/{ids.to_text('msg', told.id)}")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data.get("recipient") == ("ada@lovelace.example" if sees else None)
    assert ({"recipient", "text", "html"} <= data.keys()) is sees
    assert (data["kind"], data["channel"], data["status"]) == ("refund_succeeded", "email", "kept")
    assert data["subject"] == "Northwind refunded €30.00"
    assert ("<html" in answer.text) is sees


async def test_a_list_names_subjects_and_no_address(house, tenant, customer, told):
    ask = await house.key_of(tenant)
    answer = await ask("GET", "/api/notifications")
    assert [each["subject"] for each in answer.json()["data"]] == ["Northwind refunded €30.00"]
    assert "lovelace" not in answer.text
    for query, count in (
        ("customer_id=org_1", 1),
        (f"customer_id={ids.to_text('cus', customer.id)}", 1),
        ("kind=refund_succeeded&channel=email", 1),
        ("kind=apology", 0),
        ("channel=sms", 0),
    ):
        assert len((await ask("GET", f"/api/notifications?{query}")).json()["data"]) == count, query
    assert (await ask("GET", "/api/notifications?kind=spam")).status_code == 422
    assert (await ask("GET", "/api/notifications?customer_id=nobody")).status_code == 404


async def test_a_customers_user_reads_its_own_only(house, tenant, told):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2")
    await house.trusts(tenant)
    path = f"/api/notifications/{ids.to_text('msg', told.id)}"
    own, other = house.user_of("org_1", "member"), house.user_of("org_2", "admin")
    assert (await own("GET", path)).json()["data"]["recipient"] == "ada@lovelace.example"
    assert (await other("GET", path)).status_code == 404
    assert (await other("GET", "/api/notifications")).json()["data"] == []
    assert (await other("GET", "/api/notifications?customer_id=org_1")).status_code == 404


@pytest.mark.shows("fault G3", "I28")
async def test_another_tenants_message_is_unknown(house, told):
    stranger = await house.key_of(await new_tenant(house.database))
    assert (await stranger("GET", f"/api/notifications/{told.id}")).status_code == 404
    assert (await stranger("GET", "/api/notifications")).json()["data"] == []


async def test_what_was_said_to_the_staff_is_no_customers_to_read(house, tenant, tell, customer):
    [made] = await tell(a_message(customer, Kind.DISPUTE_OPENED))
    await house.trusts(tenant)
    own, staff = house.user_of("org_1", "admin"), await house.key_of(tenant)
    path = f"/api/notifications/{ids.to_text('msg', made.id)}"
    assert [(await ask("GET", path)).status_code for ask in (own, staff)] == [404, 200]
    assert [len((await ask("GET", "/api/notifications")).json()["data"]) for ask in (own, staff)] == [0, 1]
