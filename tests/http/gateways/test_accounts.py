"""A tenant's accounts at providers, over HTTP."""

import pytest

from guilder.domain.identity.model import Mode
from tests.support.builders.identity import new_tenant


@pytest.fixture
async def admin(site, till):
    return await site.key_of(till.tenant)


async def connect(admin, **over):
    body = {"gateway": "simulated", "name": "Second", "secret_key": "sk_sim_second", **over}
    return await admin("POST", "/api/gateways", body)


async def test_a_second_account_becomes_the_default_when_asked_and_the_first_may_retire(admin, till):
    made = (await connect(admin)).json()["data"]
    assert (made["is_default"], made["settings"]) == (False, {"mode": "test"})
    first = next(each for each in (await admin("GET", "/api/gateways")).json()["data"] if each["id"] != made["id"])
    refused = await admin("DELETE", f"/api/gateways/{first['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "default_gateway_needed")
    chosen = await admin("POST", f"/api/gateways/{made['id']}/default")
    assert chosen.json()["data"]["is_default"] is True
    retired = (await admin("DELETE", f"/api/gateways/{first['id']}")).json()["data"]
    assert (retired["is_active"], retired["is_default"], retired["status"]) == (False, False, "retired")
    gone = await admin("POST", f"/api/gateways/{first['id']}/default")
    assert gone.status_code == 404


async def test_what_is_no_key_of_the_provider_is_refused_by_its_field(admin):
    refused = await connect(admin, secret_key="sk_live_123456789")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_gateway_key")
    assert "secret_key" in refused.text
    assert "sk_live_123456789" not in refused.text


async def test_a_live_tenant_is_not_connected_to_where_no_money_moves(site):
    live = await new_tenant(site.database, mode=Mode.LIVE)
    refused = await connect(await site.key_of(live))
    assert (refused.status_code, refused.json()["code"]) == (409, "simulated_moves_no_money")


async def test_health_shows_every_account_also_one_that_nothing_was_asked_of(admin, till):
    await till.a_card()
    await till.collect()
    await till.settle()
    await connect(admin)
    [first, second] = sorted((await admin("GET", "/api/gateways/health")).json()["data"], key=lambda e: e["name"])[::-1]
    assert (first["succeeded"] >= 1, first["success_percent"], first["is_down"]) == (True, 100, False)
    assert (second["succeeded"], second["success_percent"]) == (0, None)


async def test_an_account_is_called_no_faster_than_its_tenant_says(admin, till):
    account = (await admin("GET", "/api/gateways")).json()["data"][0]["id"]
    where = f"/api/gateways/{account}/pace"
    as_it_goes = {"calls_per_second": None, "share_percent": 100, "paused_until": None}
    assert (await admin("GET", where)).json()["data"] == as_it_goes
    assert (await admin("PUT", where, {"calls_per_second": 25})).json()["data"] == {
        **as_it_goes,
        "calls_per_second": 25,
    }
    assert (await admin("GET", where)).json()["data"]["calls_per_second"] == 25
    for none in (0, 1_001, 2.5, "25"):
        assert (await admin("PUT", where, {"calls_per_second": none})).status_code == 422
    assert (await admin("PUT", where, {"calls_per_second": None})).json()["data"] == as_it_goes


async def test_the_pace_of_an_account_is_its_own_tenants_alone(site, admin):
    account = (await admin("GET", "/api/gateways")).json()["data"][0]["id"]
    other = await site.key_of(await new_tenant(site.database))
    for method, body in (("GET", None), ("PUT", {"calls_per_second": 1})):
        assert (await other(method, f"/api/gateways/{account}/pace", body)).status_code == 404
