"""Subscriptions that a provider bills itself, over HTTP."""

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.subscriptions.routes import router as subscriptions
from guilder.kernel import ids
from guilder.platform.auth.principal import ALL_SCOPES
from tests.support.served import served


@pytest.fixture
async def body(front):
    customer, plan = await front.shop.customer(), await front.shop.plan()
    [account] = await front.shop.act(gateways.accounts)
    return {
        "organization_id": customer.organization_id,
        "plan_id": plan.code,
        "gateway_account_id": ids.to_text("gwa", account.id),
        "provider_subscription": "sub_theirs",
        "current_period_start": "2026-03-01T00:00:00Z",
        "current_period_end": "2026-04-01T00:00:00Z",
    }


async def test_what_is_linked_names_who_bills_it_wherever_it_is_said(front, body):
    answer = await front.ask("POST", "/api/subscriptions/linked", body)
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    assert (made["billed_by"], made["provider_subscription"]) == (body["gateway_account_id"], "sub_theirs")
    async with served(front.shop.database, [subscriptions], now=front.shop.now) as door:
        ask = await door.key_of(front.shop.tenant, scopes=(ALL_SCOPES,))
        read = await ask("GET", f"/api/subscriptions/{made['id']}")
    assert read.json()["data"] == made


async def test_a_customers_user_is_not_told_who_bills(front):
    customer, plan = await front.shop.customer(), await front.shop.plan()
    user = front.served.user_of(customer.organization_id)
    said = await user("POST", "/api/subscriptions", {"organization_id": customer.organization_id, "plan_id": plan.code})
    assert "plan_code" in said.json()["data"]
    assert not {"billed_by", "provider_subscription"} & said.json()["data"].keys()
