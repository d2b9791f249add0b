"""Dunning over HTTP."""

import pytest

from guilder.kernel import ids
from guilder.platform.auth.principal import Role
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import a_shop, days

POLICY = {
    "retry_days": [2, 5],
    "reminder_every_days": 4,
    "reminders_max": 2,
    "final_action": "cancel",
    "blocks_at_first_failure": True,
    "grace_days": 1,
}


async def test_a_case_is_listed_read_tried_again_and_given_up(door, shop):
    behind = await a_customer_behind(shop)
    case = ids.to_text("case", (await behind.case()).id)
    ask = await door.key_of(shop.tenant)
    listed = (await ask("GET", f"/api/dunning/cases?status=open&customer={behind.customer.organization_id}")).json()
    assert [each["id"] for each in listed["data"]] == [case]
    assert (await ask("GET", "/api/dunning/cases?status=closed")).json()["data"] == []
    read = (await ask("GET", f"/api/dunning/cases/{case}")).json()["data"]
    assert (read["status"], read["last_decline_code"], read["retries_made"]) == ("open", "insufficient_funds", 0)
    assert (await ask("POST", f"/api/dunning/cases/{case}/retry")).status_code == 202
    assert (await ask("POST", f"/api/dunning/cases/{case}/retry")).json()["code"] == "payment_under_way"
    given_up = await ask("POST", f"/api/dunning/cases/{case}/give-up")
    assert given_up.json()["data"]["status"] == "closed"
    assert (await ask("POST", f"/api/dunning/cases/{case}/retry")).json()["code"] == "case_ended"


async def test_another_tenants_case_is_nobodys(door, shop, database):
    behind = await a_customer_behind(shop)
    case = ids.to_text("case", (await behind.case()).id)
    other = await door.key_of((await a_shop(database)).tenant)
    for method, path in (("GET", ""), ("POST", "/retry"), ("POST", "/give-up")):
        assert (await other(method, f"/api/dunning/cases/{case}{path}")).status_code == 404
    assert (await other("GET", "/api/dunning/cases")).json()["data"] == []


async def test_customers_have_no_business_here(door, shop):
    customer = await shop.customer()
    await door.trusts(shop.tenant)
    user = door.user_of(customer.organization_id)
    for path in ("cases", "policy"):
        assert (await user("GET", f"/api/dunning/{path}")).status_code == 403


async def test_a_policy_is_the_usual_one_until_it_is_set_and_then_holds(door, shop):
    ask = await door.key_of(shop.tenant)
    assert (await ask("GET", "/api/dunning/policy")).json()["data"]["retry_days"] == [1, 3, 7]
    for method, body in (("PUT", POLICY), ("GET", None)):
        said = (await ask(method, "/api/dunning/policy", body)).json()["data"]
        assert {name: said[name] for name in POLICY} == POLICY
    behind = await a_customer_behind(shop)
    assert (await behind.case()).next_retry_at == behind.failed_at + days(2)


@pytest.mark.parametrize("bad", [[3, 1], [0], [61], [1, 1], list(range(1, 10)), "1"])
async def test_days_that_make_no_sense_are_refused(door, shop, bad):
    ask = await door.key_of(shop.tenant)
    answer = await ask("PUT", "/api/dunning/policy", {**POLICY, "retry_days": bad})
    assert answer.status_code == 422


async def test_only_an_admin_sets_the_policy(door, shop):
    ask = await door.key_of(shop.tenant, Role.BILLING)
    assert (await ask("PUT", "/api/dunning/policy", POLICY)).status_code == 403
