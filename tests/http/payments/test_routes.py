"""Payments, methods and refunds over HTTP: shapes, roles, and the walls between customers and tenants."""

import pytest

from guilder.domain.identity.model import Role
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import a_tenant


@pytest.fixture
async def staff(site, till):
    return await site.key_of(till.tenant)


@pytest.fixture
async def user(site, till):
    await site.trusts(till.tenant)
    return site.user_of(till.customer.organization_id)


async def paid(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    return ids.to_text("pay", payment.id)


@pytest.mark.shows("PCI 3.2.1", "ASVS 14.2.6")
async def test_a_card_is_saved_by_its_token_and_made_the_default(till, staff):
    base = f"/api/customers/{till.customer.organization_id}/payment-methods"
    asked = await staff("POST", base, {"token": "pm_card_ok"})
    assert (asked.status_code, asked.json()["data"]["status"]) == (202, "pending")
    await till.settle()
    await staff("POST", base, {"token": "pm_card_mastercard"})
    await till.settle()
    second, first = (await staff("GET", base)).json()["data"]
    assert (first["id"], first["status"], first["is_default"]) == (asked.json()["data"]["id"], "valid", True)
    chosen = await staff("POST", f"{base}/{second['id']}/default", {})
    assert chosen.json()["data"]["is_default"]
    removed = await staff("DELETE", f"{base}/{second['id']}")
    assert removed.json()["data"]["status"] == "removed"
    assert [each["id"] for each in (await staff("GET", base)).json()["data"]] == [first["id"]]


@pytest.mark.shows("PCI eligibility", "PCI 3.2.1")
@pytest.mark.parametrize("token", ["4242424242424242", "4242 4242 4242 4242", "", " pm_card_ok", "x" * 300, 7, True])
async def test_what_is_no_token_is_refused(till, staff, token):
    answer = await staff("POST", f"/api/customers/{till.customer.organization_id}/payment-methods", {"token": token})
    assert answer.status_code == 422


async def test_payments_are_listed_and_filtered(till, staff):
    payment_id = await paid(till)
    [listed] = (await staff("GET", "/api/payments?status=succeeded")).json()["data"]
    assert (listed["id"], listed["amount"], listed["currency"], listed["last4"]) == (payment_id, 4900, "EUR", "4242")
    assert (await staff("GET", f"/api/payments?invoice_id={listed['invoice_id']}")).json()["data"] == [listed]
    assert (await staff("GET", "/api/payments?status=declined")).json()["data"] == []
    assert (await staff("GET", f"/api/payments/{payment_id}")).json()["data"] == listed
    assert (await staff("GET", "/api/payments?status=nonsense")).status_code == 422


@pytest.mark.shows("API3", "ASVS 8.2.1")
async def test_a_customers_user_asks_and_staff_grants(till, staff, user):
    payment_id = await paid(till)
    asked = await user("POST", f"/api/payments/{payment_id}/refund-requests", {"reason": "please"})
    assert (asked.status_code, asked.json()["data"]["status"]) == (201, "asked")
    refund_id = asked.json()["data"]["id"]
    assert (await user("POST", "/api/refunds", {"payment_id": payment_id, "reason": "me"})).status_code == 403
    assert (await user("POST", f"/api/refunds/{refund_id}/grant", {})).status_code == 403
    granted = await staff("POST", f"/api/refunds/{refund_id}/grant", {"ends_access": True})
    assert (granted.status_code, granted.json()["data"]["status"]) == (202, "pending")
    assert (await staff("POST", f"/api/refunds/{refund_id}/refuse", {"reason": "late"})).status_code == 409
    await till.settle()
    [listed] = (await user("GET", "/api/refunds")).json()["data"]
    assert (listed["status"], listed["ends_access"], listed["amount"]) == ("succeeded", True, 4900)
    again = await staff("POST", "/api/refunds", {"payment_id": payment_id, "reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_refund")


@pytest.mark.shows("fault F10", "ASVS 2.3.2")
async def test_more_than_was_captured_is_a_conflict(till, staff):
    body = {"payment_id": await paid(till), "amount": 4901, "reason": "too much"}
    answer = await staff("POST", "/api/refunds", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_exceeds_captured")
    for amount in (0, -1, 1.0, "1", True):
        assert (await staff("POST", "/api/refunds", {**body, "amount": amount})).status_code == 422


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_another_customers_things_are_unknown(site, till, staff, user):
    payment_id = await paid(till)
    async with till.tx() as tx:
        other = await a_customer(tx)
    neighbour = site.user_of(other.organization_id)
    unknown = ids.to_text("pay", ids.new(till.now))
    for path in (f"/api/payments/{payment_id}", f"/api/payments/{unknown}"):
        answer = await neighbour("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await neighbour("GET", "/api/payments")).json()["data"] == []
    mine = ids.to_text("cus", till.customer.id)
    assert (await neighbour("GET", f"/api/payments?customer_id={mine}")).status_code == 404
    methods = f"/api/customers/{till.customer.organization_id}/payment-methods"
    assert (await neighbour("GET", methods)).status_code == 404
    [card] = (await staff("GET", methods)).json()["data"]
    theirs = f"/api/customers/{other.organization_id}/payment-methods/{card['id']}"
    assert (await neighbour("DELETE", theirs)).status_code == 404
    ask = await neighbour("POST", f"/api/payments/{payment_id}/refund-requests", {"reason": "mine?"})
    assert ask.status_code == 404
    assert len((await user("GET", methods)).json()["data"]) == 1


@pytest.mark.shows("API1", "fault G3", "I28")
async def test_another_tenants_things_are_unknown(site, till):
    payment_id = await paid(till)
    async with till.database.transaction(actor="test") as tx:
        other = await a_tenant(tx)
    stranger = await site.key_of(other)
    assert (await stranger("GET", f"/api/payments/{payment_id}")).status_code == 404
    assert (await stranger("GET", "/api/payments")).json()["data"] == []
    refused = await stranger("POST", "/api/refunds", {"payment_id": payment_id, "reason": "x"})
    assert (refused.status_code, refused.json()["field"]) == (404, "payment_id")
    assert (await stranger("GET", "/api/gateways")).json()["data"] == []


async def test_a_member_reads_and_changes_nothing(site, till):
    member = await site.key_of(till.tenant, Role.MEMBER)
    assert (await member("GET", "/api/payments")).status_code == 200
    methods = f"/api/customers/{till.customer.organization_id}/payment-methods"
    assert (await member("POST", methods, {"token": "pm_card_ok"})).status_code == 403
    assert (await member("PUT", "/api/refund-policy", {"auto_grant_days": 3})).status_code == 403


async def test_the_refund_policy_is_set_and_read(staff):
    nothing = {"amounts_max": {}, "per_customer_year": None, "only_unused": False, "credit_note": "none"}
    assert (await staff("GET", "/api/refund-policy")).json()["data"] == {"auto_grant_days": 0, **nothing}
    assert (await staff("PUT", "/api/refund-policy", {"auto_grant_days": 14})).status_code == 200
    assert (await staff("GET", "/api/refund-policy")).json()["data"] == {"auto_grant_days": 14, **nothing}
    all_of_it = {
        "auto_grant_days": 30,
        "amounts_max": {"EUR": 5000, "JPY": 700},
        "per_customer_year": 2,
        "only_unused": True,
        "credit_note": "full",
    }
    assert (await staff("PUT", "/api/refund-policy", all_of_it)).json()["data"] == all_of_it
    assert (await staff("GET", "/api/refund-policy")).json()["data"] == all_of_it
    for wrong in ({"amounts_max": {"EUR": 0}}, {"amounts_max": {"XXY": 1}}, {"per_customer_year": -1}):
        assert (await staff("PUT", "/api/refund-policy", {"auto_grant_days": 1, **wrong})).status_code == 422


async def test_a_refund_says_why_and_with_which_document(till, staff):
    payment_id = await paid(till)
    asked = {"payment_id": payment_id, "reason": "Sorry", "amount": 1, "reason_code": "goodwill", "credit_note": "full"}
    made = (await staff("POST", "/api/refunds", asked)).json()["data"]
    assert (made["reason_code"], made["credit_note"], made["granted_by"]) == ("goodwill", "full", "staff")
    # What the machine alone says of its own returns nobody can say.
    for code in ("captured_twice", "paid_after_cancel", "credit_paid_out", "because"):
        assert (await staff("POST", "/api/refunds", {**asked, "reason_code": code})).status_code == 422


@pytest.mark.shows("ASVS 8.2.3")
async def test_a_dispute_is_read_by_whom_it_concerns_and_noted_on_by_staff(till, staff, user, site):
    payment_id = await paid(till)
    [charge] = till.merchant.journal()["charges"]
    till.merchant.sim("disputes", {"payment_intent": charge["ref"]})
    for event in till.events("charge.dispute.created"):
        await till.notify(event)
    await till.settle()
    [listed] = (await staff("GET", "/api/disputes?status=open")).json()["data"]
    assert (listed["payment_id"], listed["status"], listed["amount"], listed["fee"]) == (payment_id, "open", 4900, 1500)
    assert listed["id"].startswith("dsp_")
    for query in (f"payment_id={payment_id}", f"customer_id={till.customer.organization_id}"):
        assert (await staff("GET", f"/api/disputes?{query}")).json()["data"] == [listed]
    assert (await staff("GET", "/api/disputes?status=won")).json()["data"] == []
    path = f"/api/disputes/{listed['id']}"
    noted = await staff("POST", f"{path}/note", {"text": "Sent them the log."})
    assert (noted.status_code, [each["text"] for each in noted.json()["data"]["notes"]]) == (
        201,
        ["Sent them the log."],
    )
    # The customer sees that there is one, and nothing of what staff writes or it costs, nor of the provider's case.
    sellers = {"dispute_ref", "respond_by", "fee", "fee_currency", "alert"}
    theirs = {name: value for name, value in listed.items() if name not in sellers}
    assert (await user("GET", "/api/disputes")).json()["data"] == [theirs]
    assert (await user("GET", path)).json()["data"] == theirs
    assert (await user("POST", f"{path}/note", {"text": "Mine"})).status_code == 403
    other = site.user_of("somebody-else")
    assert (await other("GET", path)).status_code in {401, 403, 404}
    member = await site.key_of(till.tenant, Role.MEMBER)
    assert (await member("POST", f"{path}/note", {"text": "Mine"})).status_code == 403
