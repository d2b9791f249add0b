from datetime import timedelta

import pytest

from guilder.domain.dunning.events import AccessToBlock
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements import service as entitlements
from guilder.domain.identity.model import Role
from guilder.domain.payments.events import DisputeOpened
from guilder.kernel import ids
from guilder.kernel.money import Money
from tests.support.builders.catalog import a_plan
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import an_order_completed, heard, of_case
from tests.support.builders.identity import new_tenant
from tests.support.builders.subscriptions import a_subscription
from tests.support.identity_provider import NOW


@pytest.fixture
async def customer(house, tenant):
    """One with a plan, and a film for ten days."""
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        customer = await a_customer(tx, organization_id="org_1", now=NOW)
        subscription = await a_subscription(tx, customer, await a_plan(tx, code="pro"), is_active=True, now=NOW)
        await entitlements.follow(tx, refs=[subscription.ref], now=NOW)
        film = an_order_completed(customer, access_until=NOW + timedelta(days=10), completed_at=NOW)
        await handlers.on_order_completed(tx, [film], now=NOW)
    return customer


async def block(house, customer):
    async with house.database.transaction([customer.tenant_id], actor="test") as tx:
        to_block = of_case(AccessToBlock, customer, reason="unpaid")
        await handlers.on_access_to_block(tx, [to_block], now=NOW)


@pytest.fixture
async def ask(house, tenant):
    return await house.key_of(tenant, Role.MEMBER, ["entitlements:read"])


async def test_the_whole_answer_has_everything_of_use(ask, customer):
    answer = await ask("GET", "/api/entitlements/org_1")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    [subscription] = data.pop("subscriptions")
    [content] = data.pop("content")
    [limit] = data.pop("limits")
    assert data == {
        "customer_id": ids.to_text("cus", customer.id),
        "organization_id": "org_1",
        "eligible": True,
        "blocked": False,
        "reasons": [],
        "features": [{"code": "reports", "value": "true"}],
    }
    resets_at = subscription["valid_until"]
    assert limit == {
        "code": "seats",
        "name": "Seats",
        "included": 5,
        "used": 0,
        "left": 5,
        "quantity": "0",
        "meter": None,
        "is_hard": False,
        "is_over": False,
        "resets_at": resets_at,
    }
    assert (subscription["plan_code"], subscription["is_renewing"]) == ("pro", True)
    assert subscription["id"].startswith("sub_")
    assert content["code"] == "film"
    assert (await ask("GET", f"/api/entitlements/{customer.id}")).json() == answer.json()


async def test_content_is_allowed_until_its_time_is_over(house, ask, customer):
    path = "/api/entitlements/org_1/content/film"
    until = (NOW + timedelta(days=10)).isoformat().replace("+00:00", "Z")
    assert (await ask("GET", path)).json()["data"] == {"code": "film", "allowed": True, "until": until}
    house.clock.move_by(timedelta(days=10))
    assert (await ask("GET", path)).json()["data"] == {"code": "film", "allowed": False, "until": None}


async def test_what_was_not_bought_is_not_allowed(ask, customer):
    nothing = await ask("GET", "/api/entitlements/org_1/content/book")
    assert nothing.json()["data"] == {"code": "book", "allowed": False, "until": None}
    for code, allowed, value in (("reports", True, "true"), ("magic", False, None)):
        said = (await ask("GET", f"/api/entitlements/org_1/features/{code}")).json()["data"]
        assert said == {"code": code, "allowed": allowed, "value": value}


async def test_the_blocked_are_shut_out_of_everything_and_listed(house, ask, customer):
    assert (await ask("GET", "/api/blocked")).json()["data"] == []
    await block(house, customer)
    data = (await ask("GET", "/api/entitlements/org_1")).json()["data"]
    assert (data["eligible"], data["blocked"], data["reasons"]) == (False, True, ["unpaid"])
    assert (await ask("GET", "/api/entitlements/org_1/content/film")).json()["data"]["allowed"] is False
    assert (await ask("GET", "/api/entitlements/org_1/features/reports")).json()["data"]["allowed"] is False
    [listed] = (await ask("GET", "/api/blocked")).json()["data"]
    assert (listed["organization_id"], [each["reason"] for each in listed["blocks"]]) == ("org_1", ["unpaid"])


async def test_a_customers_user_sees_itself_and_nobody_else(house, tenant, customer):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2", now=NOW)
    await house.trusts(tenant)
    user = house.user_of("org_2", "member")
    assert (await user("GET", "/api/entitlements/org_2")).json()["data"]["reasons"] == ["nothing_bought"]
    for path in ("org_1", "org_1/content/film", "org_1/features/reports", str(customer.id), "nobody"):
        assert (await user("GET", f"/api/entitlements/{path}")).status_code == 404, path
    assert (await user("GET", "/api/blocked")).status_code == 403


async def test_another_tenant_nobody_and_another_scope_are_refused(house, tenant, customer):
    stranger = await house.key_of(await new_tenant(house.database))
    assert (await stranger("GET", "/api/entitlements/org_1")).status_code == 404
    assert (await house.nobody()("GET", "/api/entitlements/org_1")).status_code == 401
    other = await house.key_of(tenant, Role.ADMIN, ["plans:read"])
    assert (await other("GET", "/api/entitlements/org_1")).status_code == 403


async def test_a_limit_says_whether_more_of_it_may_be_used(house, ask, customer):
    path = "/api/entitlements/org_1/limits/seats"
    said = (await ask("GET", path)).json()["data"]
    assert (said["code"], said["allowed"], said["limit"]["left"]) == ("seats", True, 5)
    assert (await ask("GET", "/api/entitlements/org_1/limits/magic")).json()["data"] == {
        "code": "magic",
        "allowed": False,
        "limit": None,
    }
    await block(house, customer)
    said = (await ask("GET", path)).json()["data"]
    assert (said["allowed"], said["limit"]["left"]) == (False, 5)
    assert (await ask("GET", "/api/entitlements/nobody/limits/seats")).status_code == 404


async def test_a_customers_user_may_ask_for_its_own_limits_alone(house, tenant, customer):
    await house.trusts(tenant)
    user = house.user_of("org_1")
    assert (await user("GET", "/api/entitlements/org_1/limits/seats")).status_code == 200
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2", now=NOW)
    stranger = house.user_of("org_2")
    assert (await stranger("GET", "/api/entitlements/org_1/limits/seats")).status_code == 404


async def test_whoever_disputes_is_let_in_again_by_staff(house, tenant, customer):
    case = ids.new(NOW)
    async with house.database.transaction([customer.tenant_id], actor="test") as tx:
        opened = DisputeOpened(
            tenant_id=customer.tenant_id,
            dispute_id=case,
            payment_id=ids.new(NOW),
            invoice_id=ids.new(NOW),
            customer_id=customer.id,
            amount=Money(1000, "EUR"),
            reason="fraudulent",
        )
        await handlers.on_dispute_opened(tx, [heard(opened)], now=NOW)
    staff = await house.key_of(tenant)
    said = (await staff("GET", "/api/entitlements/org_1")).json()["data"]
    assert (said["eligible"], said["reasons"]) == (False, ["disputed"])
    path = "/api/entitlements/org_1/readmit"
    unknown = await staff("POST", path, {"cause_id": str(ids.new(NOW))})
    assert unknown.status_code == 404
    member = await house.key_of(tenant, Role.MEMBER)
    assert (await member("POST", path, {"cause_id": str(case)})).status_code == 403
    let_in = await staff("POST", path, {"cause_id": str(case)})
    assert let_in.json()["data"]["eligible"]


async def test_what_is_owed_for_is_not_let_in_by_hand(house, tenant, customer):
    await block(house, customer)
    staff = await house.key_of(tenant)
    [blocked] = (await staff("GET", "/api/blocked")).json()["data"]
    [cause] = blocked["blocks"]
    refused = await staff("POST", "/api/entitlements/org_1/readmit", {"cause_id": cause["cause_id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "blocked_for_debt")


async def test_a_tenant_says_whether_a_dispute_shuts_out(house, tenant):
    staff, path = await house.key_of(tenant), "/api/entitlement-settings"
    assert (await staff("GET", path)).json()["data"] == {"blocks_on_dispute": True}
    assert (await staff("PUT", path, {"blocks_on_dispute": False})).json()["data"] == {"blocks_on_dispute": False}
    assert (await staff("GET", path)).json()["data"] == {"blocks_on_dispute": False}
    billing = await house.key_of(tenant, Role.BILLING)
    assert (await billing("PUT", path, {"blocks_on_dispute": True})).status_code == 403
