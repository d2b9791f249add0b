from guilder.domain.identity.model import Role

BODY = {"code": "traffic", "name": "Traffic", "aggregation": "sum", "property": "bytes"}


async def test_a_meter_is_made_listed_and_found(ask):
    made = await ask("POST", "/api/meters", BODY)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert {name: data[name] for name in BODY} == BODY
    assert data["id"].startswith("mtr_")
    assert (await ask("GET", "/api/meters")).json()["data"] == [data]
    for name in ("traffic", data["id"]):
        assert (await ask("GET", f"/api/meters/{name}")).json()["data"] == data
    assert (await ask("GET", "/api/meters/other")).status_code == 404


async def test_a_meter_that_cannot_be_is_refused(ask):
    await ask("POST", "/api/meters", BODY)
    twice = await ask("POST", "/api/meters", BODY)
    assert (twice.status_code, twice.json()["code"], twice.json()["field"]) == (409, "code_taken", "code")
    counts = await ask("POST", "/api/meters", {**BODY, "code": "x", "aggregation": "count"})
    assert (counts.status_code, counts.json()["code"], counts.json()["field"]) == (422, "bad_meter", "property")
    unknown = await ask("POST", "/api/meters", {**BODY, "aggregation": "median"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "aggregation")


async def test_meters_are_the_tenants_own(house, tenant, ask):
    await house.trusts(tenant)
    assert (await house.user_of("org_1")("GET", "/api/meters")).status_code in (401, 403)
    reader = await house.key_of(tenant, Role.MEMBER, ["plans:read"])
    assert (await reader("GET", "/api/meters")).status_code == 200
    assert (await reader("POST", "/api/meters", BODY)).status_code == 403
