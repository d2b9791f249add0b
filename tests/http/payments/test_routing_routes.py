"""Routes, orders of methods and transfers over HTTP: shapes, roles, and fields that are named."""

import pytest

from guilder.domain.identity.model import Role
from guilder.domain.payments.model import Via
from guilder.kernel import ids
from tests.support.builders.customers import a_customer


@pytest.fixture
async def staff(site, till):
    return await site.key_of(till.tenant)


def gwa(account):
    return ids.to_text("gwa", account.id)


def a_route(account, **over):
    return {"name": "Euros", "targets": [{"gateway_account_id": gwa(account), "weight": 3}], **over}


async def test_routes_are_set_whole_and_read_in_their_order(till, staff):
    other = await till.another_account()
    conditions = {"currencies": ["EUR"], "countries": ["NL", "DE"], "amount_from": 100, "amount_to": 10_000}
    body = {"routes": [a_route(other, conditions=conditions), a_route(till.account, name="Else", is_active=False)]}
    made = await staff("PUT", "/api/payment-routes", body)
    assert made.status_code == 200, made.text
    first, second = made.json()["data"]
    assert first["conditions"] == {**conditions, "countries": ["DE", "NL"], "method_kinds": []}
    assert first["targets"] == [{"gateway_account_id": gwa(other), "weight": 3}]
    assert (first["name"], second["name"], second["is_active"]) == ("Euros", "Else", False)
    assert (await staff("GET", "/api/payment-routes")).json()["data"] == [first, second]
    assert (await staff("PUT", "/api/payment-routes", {"routes": []})).json()["data"] == []


async def test_what_is_wrong_with_a_route_is_named(till, staff):
    account = till.account
    target = {"gateway_account_id": gwa(account), "weight": 1}
    wrong = [
        (a_route(account, targets=[]), "targets"),
        (a_route(account, targets=[{**target, "weight": 0}]), "weight"),
        (a_route(account, targets=[{**target, "weight": 101}]), "weight"),
        (a_route(account, targets=[{**target, "gateway_account_id": ids.to_text("gwa", till.customer.id)}]), "gateway"),
        (a_route(account, conditions={"currencies": ["EURO"]}), "currencies"),
        (a_route(account, conditions={"currencies": ["EUR", "USD"], "amount_from": 1}), "currencies"),
        (a_route(account, conditions={"countries": ["XX"]}), "countries"),
        (a_route(account, conditions={"customers": ["x"]}), "customers"),
    ]
    for route, field in wrong:
        answer = await staff("PUT", "/api/payment-routes", {"routes": [route]})
        assert answer.status_code == 422, route
        assert field in answer.text, (route, answer.text)
    assert (await staff("GET", "/api/payment-routes")).json()["data"] == []


async def test_a_preview_says_the_order_and_why(till, staff):
    other, bank = await till.another_account(), await till.a_manual_account()
    await staff("PUT", "/api/payment-routes", {"routes": [a_route(other, conditions={"currencies": ["EUR"]})]})
    asked = await staff("POST", "/api/payment-routes/preview", {"amount": 100, "currency": "EUR"})
    said = asked.json()["data"]
    assert said["route"] == "Euros"
    assert [(each["gateway_account_id"], each["why"]) for each in said["accounts"]] == [
        (gwa(other), "route: Euros"),
        (gwa(till.account), "default"),
    ]
    assert gwa(bank) not in asked.text
    said = (await staff("POST", "/api/payment-routes/preview", {"amount": 1, "currency": "USD"})).json()["data"]
    assert (said["route"], said["accounts"][0]["gateway_account_id"]) == (None, gwa(till.account))


@pytest.mark.shows("API5")
async def test_only_admins_route_and_customers_do_not_even_look(site, till):
    billing = await site.key_of(till.tenant, Role.BILLING)
    assert (await billing("PUT", "/api/payment-routes", {"routes": []})).status_code == 403
    assert (await billing("GET", "/api/payment-routes")).status_code == 200
    await site.trusts(till.tenant)
    user = site.user_of(till.customer.organization_id)
    assert (await user("GET", "/api/payment-routes")).status_code == 403
    assert (await user("POST", "/api/payment-routes/preview", {"amount": 1, "currency": "EUR"})).status_code == 403


async def test_methods_are_ordered_and_show_where_they_are(till, staff):
    other = await till.another_account()
    base = f"/api/customers/{till.customer.organization_id}/payment-methods"
    for body in (
        {"token": "pm_card_ok"},
        {"token": "pm_card_do_not_honor", "gateway_account_id": gwa(other)},
        {"token": "pm_card_mastercard", "make_default": True},
    ):
        assert (await staff("POST", base, body)).status_code == 202
        await till.settle()
    third, second, first = (await staff("GET", base)).json()["data"]
    assert (third["is_default"], third["label"], third["kind"]) == (True, "Mastercard •••• 4444", "card")
    assert (second["gateway_account_id"], first["gateway_account_id"]) == (gwa(other), gwa(till.account))
    ordered = await staff("PUT", f"{base}/order", {"ids": [second["id"], first["id"]]})
    assert [each["id"] for each in ordered.json()["data"]] == [third["id"], second["id"], first["id"]]
    for wrong in ([second["id"]] * 2, [ids.to_text("pm", till.customer.id)], []):
        assert (await staff("PUT", f"{base}/order", {"ids": wrong})).status_code == 422
    refused = await staff("POST", base, {"token": "pm_x", "gateway_account_id": ids.to_text("gwa", till.customer.id)})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_gateway_account")


async def test_payments_are_filtered_by_gateway_date_and_failure(till, staff):
    await till.a_card("pm_card_insufficient_funds")
    failed = await till.collect()
    await till.settle()
    paid = await till.collect(payment_method_id=(await till.a_card("pm_card_mastercard")).id)
    await till.settle()
    await till.collect(via=Via.LINK)

    async def found(query):
        answer = await staff("GET", f"/api/payments?{query}")
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["data"]]

    pay = [ids.to_text("pay", each.id) for each in (paid, failed)]
    assert await found("failed=true") == [pay[1]]
    assert await found("gateway=simulated") == pay
    assert await found("gateway=stripe") == []
    day, next_day = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    assert len(await found(f"from={day}&to={next_day}")) == 3
    assert await found(f"to={day}") == []
    assert (await staff("GET", "/api/payments?failed=true&status=succeeded")).status_code == 422
    assert (await staff("GET", "/api/payments?from=yesterday")).status_code == 422
    shown = (await staff("GET", f"/api/payments/{pay[0]}")).json()["data"]
    assert (shown["method_label"], shown["gateway_account_id"], shown["route"]) == (
        "Mastercard •••• 4444",
        gwa(till.account),
        None,
    )


async def test_every_state_of_a_payment_is_shown_with_its_time(site, till, staff):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    path = f"/api/payments/{ids.to_text('pay', payment.id)}/states"
    shown = (await staff("GET", path)).json()["data"]
    assert [each["status"] for each in shown] == ["requested", "succeeded"]
    assert {each["at"] for each in shown} == {till.now.isoformat().replace("+00:00", "Z")}
    await site.trusts(till.tenant)
    async with till.tx() as tx:
        other = await a_customer(tx)
    user, stranger = site.user_of(till.customer.organization_id), site.user_of(other.organization_id)
    assert (await user("GET", path)).json()["data"] == shown
    assert (await stranger("GET", path)).status_code == 404


async def test_a_transfer_is_recorded_by_staff_alone(site, till, staff):
    await till.a_manual_account()
    payment = await till.collect(via=Via.LINK)
    path = f"/api/payments/{ids.to_text('pay', payment.id)}/record"
    body = {"amount": 4900, "received_at": till.now.isoformat(), "reference": "ST-7/12", "note": "by phone"}
    await site.trusts(till.tenant)
    user = site.user_of(till.customer.organization_id)
    assert (await user("POST", path, body)).status_code == 403
    other = await staff("POST", path, {**body, "amount": 4901})
    assert (other.status_code, other.json()["code"]) == (422, "amount_differs")
    assert '"amount"' in other.text
    for _ in range(2):
        recorded = await staff("POST", path, body)
        assert (recorded.status_code, recorded.json()["data"]["status"]) == (200, "succeeded")
    assert recorded.json()["data"]["gateway"] == "manual"
    again = await staff("POST", path, {**body, "reference": "ST-7/13"})
    assert (again.status_code, again.json()["code"]) == (409, "payment_not_open")
    refund = await staff("POST", "/api/refunds", {"payment_id": ids.to_text("pay", payment.id), "reason": "Sorry"})
    await till.settle()
    sent = {"sent_at": till.now.isoformat(), "reference": "OUT-1"}
    told = await staff("POST", f"/api/refunds/{refund.json()['data']['id']}/record", sent)
    assert (told.status_code, told.json()["data"]["status"]) == (200, "succeeded")
