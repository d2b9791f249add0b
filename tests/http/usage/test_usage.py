from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Aggregation
from guilder.domain.identity.model import Role
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.usage import a_meter

EVENT = {"event_id": "e1", "organization_id": "org_1", "meter": "calls"}


@pytest.fixture
async def ask(house, tenant, ground):
    return await house.key_of(tenant)


async def test_one_event_is_counted_once(ask):
    first = await ask(
        "POST", "/api/usage", {**EVENT, "value": "1.50", "properties": {"zone": "eu", "n": 3, "on": True}}
    )
    assert first.status_code == 200, first.text
    counted = {"event_id": "e1", "status": "counted"}
    assert first.json()["data"] == {"counted": 1, "duplicates": 0, "events": [counted]}
    again = await ask("POST", "/api/usage", {**EVENT, "value": 99, "timestamp": "2026-02-20T00:00:00Z"})
    assert again.json()["data"]["events"] == [{"event_id": "e1", "status": "duplicate"}]
    data = (await ask("GET", "/api/usage/e1")).json()["data"]
    assert data["customer_id"].startswith("cus_")
    del data["customer_id"]
    assert data == {
        "event_id": "e1",
        "meter": "calls",
        "timestamp": "2026-03-01T12:00:00Z",
        "value": "1.5",
        "properties": {"zone": "eu", "n": "3", "on": "true"},
        "subscription_id": None,
        "status": "counted",
        "received_at": "2026-03-01T12:00:00Z",
        "corrections": [],
    }


async def test_a_batch_answers_for_each_event_in_order(ask, ground):
    await ask("POST", "/api/usage", EVENT)
    theirs = {"customer_id": ids.to_text("cus", ground.customer.id), "meter": "calls"}
    events = [{**theirs, "event_id": each} for each in ("e3", "e1", "e2", "e3")]
    answer = await ask("POST", "/api/usage", {"events": events})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [each["status"] for each in data["events"]] == ["counted", "duplicate", "counted", "duplicate"]
    assert (data["counted"], data["duplicates"]) == (2, 2)


@pytest.mark.shows("API4", "ASVS 2.3.2", "fault F6")
async def test_a_thousand_at_once_and_no_more(ask):
    events = [{**EVENT, "event_id": f"e{n}", "properties": {"zone": "eu"}} for n in range(1001)]
    assert (await ask("POST", "/api/usage", {"events": events})).json()["field"] == "events"
    assert (await ask("POST", "/api/usage", {"events": []})).json()["field"] == "events"
    assert (await ask("POST", "/api/usage", {"events": events[:1000]})).json()["data"]["counted"] == 1000


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"value": 1.5}, "value", "bad_decimal"),
        ({"value": "1e3"}, "value", "bad_decimal"),
        ({"value": True}, "value", "bad_decimal"),
        ({"value": "9" * 19}, "value", "bad_decimal"),
        ({"value": 10**18}, "value", "bad_decimal"),
        ({"value": "NaN"}, "value", "bad_decimal"),
        ({"timestamp": "2026-03-01T13:00:01Z"}, "timestamp", "timestamp_out_of_range"),
        ({"timestamp": "2025-01-25T11:59:59Z"}, "timestamp", "timestamp_out_of_range"),
        ({"timestamp": 1772366400}, "timestamp", "bad_instant"),
        ({"timestamp": "2026-03-01"}, "timestamp", "bad_instant"),
        ({"meter": "unknown"}, "meter", "unknown_meter"),
        ({"organization_id": "org_2"}, "organization_id", "unknown_customer"),
        ({"organization_id": None}, "organization_id", "customer_required"),
        ({"customer_id": "cus_01h455vb4pex5vsknk084sn02q"}, "organization_id", "customer_required"),
        ({"event_id": "alerts"}, "event_id", "bad_event_id"),
        ({"event_id": "a b"}, "event_id", "string_pattern_mismatch"),
        ({"event_id": ""}, "event_id", "string_too_short"),
        ({"properties": {"n": 1.5}}, "properties.n", "bad_property"),
        ({"properties": {"n": None}}, "properties.n", "bad_property"),
        ({"properties": {"n": ["a"]}}, "properties.n", "bad_property"),
        ({"properties": {"n": "x" * 201}}, "properties.n", "string_too_long"),
        ({"properties": {str(n): n for n in range(21)}}, "properties", "too_many_properties"),
        ({"subscription_id": "plan_1"}, "subscription_id", "bad_id"),
        ({"price": 1}, "price", "unknown_field"),
    ],
)
async def test_what_cannot_be_counted_is_refused_by_its_path_and_nothing_is(ask, change, field, code):
    one = await ask("POST", "/api/usage", {**EVENT, **change})
    assert (one.status_code, one.json()["field"], one.json()["code"]) == (422, field, code)
    batch = [{**EVENT, "event_id": f"b{n}"} for n in range(3)] + [{**EVENT, **change}]
    many = await ask("POST", "/api/usage", {"events": batch})
    assert (many.status_code, many.json()["field"], many.json()["code"]) == (422, f"events[3].{field}", code)
    assert (await ask("GET", "/api/usage")).json()["data"] == []


async def test_an_event_and_events_do_not_mix(ask):
    assert (await ask("POST", "/api/usage", {**EVENT, "events": [EVENT]})).json()["code"] == "one_or_many"
    # A generated client sends what it was not told, too.
    blank = dict.fromkeys(["event_id", "meter", "organization_id", "customer_id", "timestamp", "value"])
    both = await ask("POST", "/api/usage", {**blank, "properties": {}, "subscription_id": None, "events": [EVENT]})
    assert both.json()["data"]["counted"] == 1
    for missing in ("event_id", "meter"):
        answer = await ask("POST", "/api/usage", {k: v for k, v in EVENT.items() if k != missing})
        assert (answer.json()["code"], answer.json()["field"]) == ("required", missing)


async def test_a_meter_that_reads_a_property_says_when_it_is_missing(house, tenant, ask):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_meter(tx, Aggregation.SUM, code="traffic", property="gb")
    sent = {**EVENT, "meter": "traffic"}
    for properties, value, field in (
        ({}, None, "properties.gb"),
        ({"gb": "lots"}, None, "properties.gb"),
        ({"gb": 2}, 2, "value"),
    ):
        answer = await ask("POST", "/api/usage", {"events": [{**sent, "properties": properties, "value": value}]})
        assert (answer.status_code, answer.json()["field"]) == (422, f"events[0].{field}")
    await ask("POST", "/api/usage", {**sent, "properties": {"gb": "0.25"}})
    assert (await ask("GET", "/api/usage/e1")).json()["data"]["value"] == "0.25"


async def test_corrections_are_made_and_kept(ask):
    await ask("POST", "/api/usage", {**EVENT, "value": 5})
    amended = await ask("POST", "/api/usage/e1/amend", {"value": "7", "timestamp": "2026-02-28T00:00:00Z"})
    assert amended.status_code == 200, amended.text
    assert (amended.json()["data"]["value"], amended.json()["data"]["timestamp"]) == ("7", "2026-02-28T00:00:00Z")
    canceled = await ask("POST", "/api/usage/e1/cancel")
    assert canceled.json()["data"]["status"] == "canceled"
    refused = await ask("POST", "/api/usage/e1/amend", {"value": "8"})
    assert (refused.status_code, refused.json()["code"]) == (409, "event_canceled")
    for path in ("amend", "cancel"):
        answer = await ask("POST", f"/api/usage/e2/{path}", {} if path == "amend" else None)
        assert answer.status_code == 404
    first, second = (await ask("GET", "/api/usage/e1")).json()["data"]["corrections"]
    assert first["id"].startswith("ucr_")
    assert (first["old"]["value"], first["new"]["value"]) == ("5", "7")
    assert (second["old"]["status"], second["new"]["status"]) == ("counted", "canceled")
    assert first["corrected_by"]


async def test_the_list_is_narrowed_and_pages(house, tenant, ask):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2")
        await a_meter(tx, code="seats")
    events = [{**EVENT, "event_id": f"e{n}", "timestamp": f"2026-02-0{n}T00:00:00Z"} for n in range(1, 6)]
    events += [{**EVENT, "event_id": "x", "organization_id": "org_2", "meter": "seats"}]
    await ask("POST", "/api/usage", {"events": events})

    async def names(query):
        answer = await ask("GET", f"/api/usage?{query}")
        assert answer.status_code == 200, answer.text
        return [each["event_id"] for each in answer.json()["data"]], answer.json()["page"]["next_cursor"]

    assert (await names(""))[0] == ["x", "e5", "e4", "e3", "e2", "e1"]
    assert (await names("organization_id=org_2"))[0] == (await names("meter=seats"))[0] == ["x"]
    assert (await names("from=2026-02-02T00:00:00Z&until=2026-02-04T00:00:00Z"))[0] == ["e3", "e2"]
    first, cursor = await names("limit=4")
    assert first + (await names(f"limit=4&cursor={cursor}"))[0] == ["x", "e5", "e4", "e3", "e2", "e1"]
    assert (await ask("GET", "/api/usage?organization_id=nobody")).status_code == 404


async def test_the_present_month_is_added_up_by_meter(ask):
    old = {**EVENT, "event_id": "old", "value": 50, "timestamp": "2026-02-28T23:59:59Z"}
    await ask("POST", "/api/usage", {"events": [{**EVENT, "value": "2.5"}, {**EVENT, "event_id": "e2"}, old]})
    data = (await ask("GET", "/api/usage/current?organization_id=org_1")).json()["data"]
    assert data["organization_id"] == "org_1"
    assert data["meters"] == [{"meter": "calls", "name": "Use", "aggregation": "sum", "quantity": "3.5", "events": 2}]
    assert (await ask("GET", "/api/usage/current")).json()["code"] == "customer_required"


async def test_an_alert_is_made_read_and_removed(ask):
    body = {"organization_id": "org_1", "meter": "calls", "threshold": "100", "recurring": True}
    made = await ask("POST", "/api/usage/alerts", body)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert data["id"].startswith("alr_")
    assert (data["threshold"], data["window"], data["recurring"]) == ("100", "month", True)
    assert data["from"] == "2026-03-01T00:00:00Z"
    assert (await ask("GET", "/api/usage/alerts?organization_id=org_1")).json()["data"] == [data]
    assert (await ask("GET", f"/api/usage/alerts/{data['id']}")).json()["data"] == data
    assert (await ask("DELETE", f"/api/usage/alerts/{data['id']}")).status_code == 200
    assert (await ask("GET", f"/api/usage/alerts/{data['id']}")).status_code == 404
    total = await ask("POST", "/api/usage/alerts", {**body, "window": "total"})
    assert (total.status_code, total.json()["field"]) == (422, "recurring")
    since = await ask(
        "POST", "/api/usage/alerts", {**body, "window": "total", "recurring": False, "from": "2026-01-01T00:00:00Z"}
    )
    assert since.json()["data"]["from"] == "2026-01-01T00:00:00Z"


async def test_a_member_may_read_and_not_write_and_a_key_needs_the_scope(house, tenant, ask):
    await ask("POST", "/api/usage", EVENT)
    member = await house.key_of(tenant, role=Role.MEMBER)
    assert (await member("GET", "/api/usage/e1")).status_code == 200
    reader = await house.key_of(tenant, scopes=("usage:read",))
    for caller, code in ((member, "role_too_low"), (reader, "scope_missing")):
        for path in ("/api/usage", "/api/usage/e1/amend", "/api/usage/e1/cancel", "/api/usage/alerts"):
            assert (await caller("POST", path, {} if "cancel" not in path else None)).json()["code"] == code
    sender = await house.key_of(tenant, role=Role.BILLING, scopes=("usage:write",))
    assert (await sender("POST", "/api/usage", {**EVENT, "event_id": "e2"})).status_code == 200
    stranger = await house.key_of(tenant, scopes=("customers:write",))
    assert (await stranger("GET", "/api/usage")).json()["code"] == "scope_missing"


@pytest.mark.shows("API5", "ASVS 8.2.2")
async def test_a_customers_user_reads_its_own_and_writes_nothing(house, tenant, ask):
    await house.trusts(tenant)
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2")
    await ask("POST", "/api/usage", {"events": [EVENT, {**EVENT, "event_id": "x", "organization_id": "org_2"}]})
    alert = {"organization_id": "org_2", "meter": "calls", "threshold": 100}
    theirs = (await ask("POST", "/api/usage/alerts", alert)).json()["data"]["id"]
    mine = house.user_of("org_1")
    assert [each["event_id"] for each in (await mine("GET", "/api/usage")).json()["data"]] == ["e1"]
    assert (await mine("GET", "/api/usage/e1")).status_code == 200
    assert (await mine("GET", "/api/usage/current")).json()["data"]["meters"][0]["quantity"] == "1"
    assert (await mine("GET", "/api/usage/alerts")).json()["data"] == []
    for path in ("x", "current?organization_id=org_2", f"alerts/{theirs}"):
        assert (await mine("GET", f"/api/usage/{path}")).status_code == 404
    assert (await mine("GET", "/api/usage?organization_id=org_2")).status_code == 404
    for path, body in (("", EVENT), ("/e1/amend", {}), ("/e1/cancel", None), ("/alerts", alert)):
        assert (await mine("POST", f"/api/usage{path}", body)).json()["code"] == "not_for_customers"


@pytest.mark.shows("fault G3", "I28")
async def test_another_tenants_events_are_as_unknown_as_none(house, ask):
    await ask("POST", "/api/usage", EVENT)
    stranger = await new_tenant(house.database)
    other = await house.key_of(stranger)
    assert (await other("GET", "/api/usage")).json()["data"] == []
    for method, path, body in (
        ("GET", "e1", None),
        ("POST", "e1/amend", {"value": 2}),
        ("POST", "e1/cancel", None),
        ("GET", "current?organization_id=org_1", None),
    ):
        assert (await other(method, f"/api/usage/{path}", body)).status_code == 404
    assert (await other("POST", "/api/usage", EVENT)).json()["code"] == "unknown_meter"
    async with house.database.transaction([stranger.tenant_id], actor="test") as tx:
        await a_meter(tx, code="calls")
        await a_customer(tx, organization_id="org_1")
    assert (await other("POST", "/api/usage", EVENT)).json()["data"]["counted"] == 1
    assert (await ask("GET", "/api/usage/e1")).json()["data"]["value"] == "1"


async def test_an_hour_ahead_and_400_days_back_are_counted(ask):
    for n, at in enumerate((NOW + timedelta(hours=1), NOW - timedelta(days=400))):
        sent = {**EVENT, "event_id": f"e{n}", "timestamp": at.isoformat()}
        assert (await ask("POST", "/api/usage", sent)).json()["data"]["counted"] == 1
