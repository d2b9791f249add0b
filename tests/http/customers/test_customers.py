import pytest

from guilder.domain.identity.model import Role
from tests.support.builders.identity import new_tenant

ADA = {
    "organization_id": "org_1",
    "kind": "person",
    "name": "Ada Lovelace",
    "email": "ada@lovelace.example",
    "phone": "+44 20 7946 0000",
    "address": {"line1": "12 Square", "city": "London", "country": "GB"},
    "vat_id": "GB980780684",
    "language": "en",
    "time_zone": "Europe/London",
    "metadata": {"crm": "17"},
}


@pytest.fixture
async def ask(house, tenant):
    return await house.key_of(tenant)


async def test_a_customer_is_made_and_found_by_any_of_its_ids(ask):
    made = await ask("POST", "/api/customers", ADA)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert {name: data[name] for name in ADA if name != "address"} == {k: v for k, v in ADA.items() if k != "address"}
    assert data["id"].startswith("cus_")
    for each in (data["id"], "org_1"):
        assert (await ask("GET", f"/api/customers/{each}")).json()["data"] == data


async def test_little_is_needed(ask):
    data = (await ask("POST", "/api/customers", {"name": "Acme"})).json()["data"]
    assert data["organization_id"] == data["id"]
    assert (data["time_zone"], data["language"], data["email"]) == ("Europe/Amsterdam", "en", "")


async def test_an_organization_is_taken_on_once(ask):
    await ask("POST", "/api/customers", ADA)
    again = await ask("POST", "/api/customers", ADA)
    assert (again.status_code, again.json()["code"]) == (409, "organization_exists")


@pytest.mark.shows("ASVS 2.2.1", "fault F8")
@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": 1},
        {"email": "ada"},
        {"email": ["a@b.example"]},
        {"time_zone": "Mars/Olympus"},
        {"language": "English"},
        {"kind": "robot"},
        {"organization_id": "a/b"},
        {"organization_id": "x" * 256},
        {"phone": "call me"},
        {"vat_id": "<b>"},
        {"address": {"country": "XX"}},
        {"address": {"planet": "Earth"}},
        {"metadata": {"a": 1}},
        {"metadata": {str(each): "" for each in range(51)}},
        {"tenant_id": "ten_01h455vb4pex5vsknk084sn02q"},
        {"id": "cus_01h455vb4pex5vsknk084sn02q"},
        {"is_erased": True},
    ],
)
async def test_what_is_not_of_its_form_is_refused_and_nothing_is_made(ask, change):
    answer = await ask("POST", "/api/customers", {**ADA, **change})
    assert answer.status_code == 422, answer.text
    assert (await ask("GET", "/api/customers")).json()["data"] == []


async def test_changes_leave_the_rest_as_it_is(ask):
    data = (await ask("POST", "/api/customers", ADA)).json()["data"]
    changed = await ask("PATCH", "/api/customers/org_1", {"name": "Countess", "metadata": {}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"] == {**data, "name": "Countess", "metadata": {}}
    refused = await ask("PATCH", "/api/customers/org_1", {"organization_id": "org_2"})
    assert refused.status_code == 422


async def test_an_empty_text_takes_one_away_and_null_says_nothing(ask):
    data = (await ask("POST", "/api/customers", {**ADA, "tax_exempt_reason": "a school"})).json()["data"]
    texts = ("email", "phone", "vat_id", "tax_exempt_reason")
    kept = await ask("PATCH", "/api/customers/org_1", dict.fromkeys([*texts, "name", "address", "net_days"]))
    assert kept.json()["data"] == data
    emptied = await ask("PATCH", "/api/customers/org_1", dict.fromkeys(texts, ""))
    assert emptied.status_code == 200, emptied.text
    assert emptied.json()["data"] == {**data, **dict.fromkeys(texts, "")}
    assert (await ask("PATCH", "/api/customers/org_1", {"email": " "})).json()["field"] == "email"


async def test_the_list_pages_and_searches(ask):
    for number in range(3):
        await ask(
            "POST", "/api/customers", {"name": "x", "organization_id": f"o{number}", "email": f"a{number}@b.example"}
        )
    first = (await ask("GET", "/api/customers?limit=2")).json()
    assert [each["organization_id"] for each in first["data"]] == ["o2", "o1"]
    rest = (await ask("GET", f"/api/customers?limit=2&cursor={first['page']['next_cursor']}")).json()
    assert [each["organization_id"] for each in rest["data"]] == ["o0"]
    assert rest["page"] == {"next_cursor": None, "has_more": False}
    for query in ("email=A1@b.example", "organization_id=o1"):
        found = (await ask("GET", f"/api/customers?{query}")).json()["data"]
        assert [each["organization_id"] for each in found] == ["o1"]


async def test_a_member_may_read_and_not_write(house, tenant, ask):
    await ask("POST", "/api/customers", ADA)
    member = await house.key_of(tenant, role=Role.MEMBER)
    assert (await member("GET", "/api/customers/org_1")).status_code == 200
    for method, path in (("POST", "/api/customers"), ("PATCH", "/api/customers/org_1")):
        assert (await member(method, path, {"name": "x"})).json()["code"] == "role_too_low"


@pytest.mark.shows("fault G3", "API1", "I28")
async def test_another_tenants_customer_is_as_unknown_as_none(house, ask):
    other = await house.key_of(await new_tenant(house.database))
    theirs = (await other("POST", "/api/customers", ADA)).json()["data"]
    unknown = await ask("GET", "/api/customers/org_none")
    for method, body in (("GET", None), ("PATCH", {"name": "x"})):
        for each in (theirs["id"], "org_1"):
            answer = await ask(method, f"/api/customers/{each}", body)
            same = {k: v for k, v in answer.json().items() if k not in {"request_id", "instance"}}
            assert same == {k: v for k, v in unknown.json().items() if k not in {"request_id", "instance"}}
    assert (await ask("GET", "/api/customers?email=ada@lovelace.example")).json()["data"] == []
    assert (await other("GET", "/api/customers/org_1")).json()["data"] == theirs


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_a_customers_user_sees_and_changes_itself_only(house, tenant, ask):
    await house.trusts(tenant)
    for organization in ("org_1", "org_2"):
        await ask("POST", "/api/customers", {**ADA, "organization_id": organization})
    mine = house.user_of("org_1")
    assert [each["organization_id"] for each in (await mine("GET", "/api/customers")).json()["data"]] == ["org_1"]
    assert (await mine("GET", "/api/customers?organization_id=org_2")).json()["data"] == []
    assert (await mine("GET", "/api/customers/org_1")).status_code == 200
    assert (await mine("PATCH", "/api/customers/org_1", {"phone": "+31 20 555"})).status_code == 200
    for method, body in (("GET", None), ("PATCH", {"name": "x"})):
        assert (await mine(method, "/api/customers/org_2", body)).status_code == 404
    assert (await mine("POST", "/api/customers", ADA)).json()["code"] == "not_for_customers"
    assert (await mine("PATCH", "/api/customers/org_1", {"metadata": {}})).json()["code"] == "field_not_yours"


@pytest.mark.shows("API5")
async def test_a_customers_member_may_not_change_it(house, tenant, ask):
    await house.trusts(tenant)
    await ask("POST", "/api/customers", ADA)
    mine = house.user_of("org_1", role="member")
    assert (await mine("GET", "/api/customers/org_1")).status_code == 200
    assert (await mine("PATCH", "/api/customers/org_1", {"name": "x"})).json()["code"] == "role_too_low"
