"""Orders over HTTP: what is answered, and what whom is allowed."""

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import NewProduct
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.platform.auth.principal import Role
from tests.support.builders.orders import says_no


async def subscribed(front, **over):
    customer, plan = await front.shop.customer(), await front.shop.plan()
    body = {"organization_id": customer.organization_id, "plan_id": plan.code, "billing_cycle": "monthly"}
    return await front.ask("POST", "/api/subscriptions", {**body, **over}), customer


async def a_film(front):
    film = NewProduct(code="film", name="A Film", description="", prices=(Money(499, "EUR"),), access_days=30)
    return await front.shop.act(lambda tx: catalog.create_product(tx, product=film, now=front.shop.now))


async def test_subscribing_answers_with_the_state_what_is_owed_and_where_it_is_paid(front):
    answer, customer = await subscribed(front)
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert (data["status"], data["amount_due"], data["currency"]) == ("processing", 3000, "EUR")
    assert data["organization_id"] == customer.organization_id
    assert data["payment_link"].startswith("https://billing.example.com/checkout/")
    assert {data["id"][:4], data["invoice_id"][:4], data["order_id"][:4]} == {"sub_", "inv_", "ord_"}


async def test_the_same_key_is_answered_the_same_and_subscribes_once(front):
    customer, plan = await front.shop.customer(), await front.shop.plan()
    body = {"organization_id": customer.organization_id, "plan_id": plan.code}
    answers = [await front.ask("POST", "/api/subscriptions", body, idempotency_key="k1") for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (await front.ask("POST", "/api/subscriptions", body)).json()["code"] == "already_subscribed"


@pytest.mark.parametrize(
    ("over", "status", "field"),
    [
        ({"plan_id": "nothing"}, 404, "plan_id"),
        ({"organization_id": "nobody"}, 404, "organization_id"),
        ({"billing_cycle": "weekly"}, 422, "billing_cycle"),
        ({"currency": "USD"}, 422, "currency"),
        ({"payment_method_id": "pm_01h455vb4pex5vsknk084sn02q"}, 422, "payment_method_id"),
        ({"quantity": 0}, 422, "quantity"),
        ({"quantity": 1_000_000_000_000}, 422, "quantity"),
        ({"quantity": 1_000_000_000}, 201, None),
        ({"price": 1}, 422, "price"),
        ({"trial_days": -1}, 422, "trial_days"),
    ],
)
async def test_a_refusal_names_its_field(front, over, status, field):
    answer, _ = await subscribed(front, **over)
    assert (answer.status_code, answer.json().get("field")) == (status, field)


@pytest.mark.shows("API3", "API6", "ASVS 8.2.2", "ASVS 8.2.3")
async def test_a_customers_user_reaches_its_own_customer_and_names_no_price_and_no_trial(front):
    mine, theirs = await front.shop.customer(), await front.shop.customer()
    plan = await front.shop.plan()
    await a_film(front)
    user = front.served.user_of(mine.organization_id, role="admin")

    async def post(path, **body):
        answer = await user("POST", path, body)
        return answer.status_code, answer.json().get("code")

    own = {"organization_id": mine.organization_id, "plan_id": plan.code}
    assert await post("/api/subscriptions", **own, trial_days=99) == (403, "field_not_yours")
    assert await post("/pay", customer=mine.organization_id, amount=1, currency="EUR") == (403, "field_not_yours")
    assert (await post("/api/subscriptions", organization_id=theirs.organization_id, plan_id=plan.code))[0] == 404
    assert (await post("/pay", customer=theirs.organization_id, product="film"))[0] == 404
    assert (await post("/api/subscriptions", **own))[0] == 201
    assert (await post("/pay", customer=mine.organization_id, product="film"))[0] == 201
    listed = (await user("GET", "/api/orders")).json()["data"]
    assert {each["kind"] for each in listed} == {"subscribe", "buy"}

    stranger = front.served.user_of(theirs.organization_id, role="admin")
    order, subscription = listed[0]["id"], next(each["subscription_id"] for each in listed if each["subscription_id"])
    invoice = listed[0]["invoice_id"]
    assert (await stranger("GET", f"/api/orders/{order}")).status_code == 404
    assert (await stranger("PUT", f"/api/subscriptions/{subscription}", {"quantity": 2})).status_code == 404
    assert (await stranger("DELETE", f"/api/subscriptions/{subscription}")).status_code == 404
    assert (await stranger("POST", f"/api/invoices/{invoice}/pay", {})).status_code == 404
    assert (await stranger("GET", "/api/orders")).json()["data"] == []


async def test_what_another_customer_agreed_to_pay_again_and_again_is_not_listed(front):
    mine, theirs = await front.shop.customer(), await front.shop.customer()
    agreed = {"amount": 777, "currency": "EUR", "description": "Only for Grace", "recurring": {"interval": "month"}}
    made = await front.ask("POST", "/pay", {"customer": theirs.organization_id, **agreed})
    assert made.status_code == 201, made.text
    user = front.served.user_of(mine.organization_id, role="admin")
    listed = await user("GET", "/api/plans?archived=true")
    assert (listed.status_code, listed.json().get("code")) == (403, "field_not_yours"), listed.text
    assert "Only for Grace" not in (await user("GET", "/api/plans")).text
    assert "Only for Grace" in (await front.ask("GET", "/api/plans?archived=true")).text


@pytest.mark.shows("API5")
async def test_a_reader_changes_nothing(front):
    reader = await front.served.key_of(front.shop.tenant, Role.MEMBER)
    for method, path, body in (
        ("POST", "/api/subscriptions", {"organization_id": "a", "plan_id": "b"}),
        ("POST", "/pay", {"customer": "a", "product": "b"}),
        ("PUT", f"/api/subscriptions/{ids.to_text('sub', ids.new(front.shop.now))}", {"quantity": 1}),
        ("DELETE", f"/api/subscriptions/{ids.to_text('sub', ids.new(front.shop.now))}", None),
        ("POST", "/api/invoices/x/pay", {}),
    ):
        assert (await reader(method, path, body)).status_code == 403, path
    assert (await reader("GET", "/api/orders")).status_code == 200


async def test_changing_opting_out_and_canceling_answer_with_the_subscription(front):
    customer = await front.shop.customer()
    card = await front.shop.card(customer)
    answer = await front.shop.subscribe(customer, await front.shop.plan(), payment_method_id=card.id)
    path = f"/api/subscriptions/{ids.to_text('sub', answer.subscription.id)}"
    cheaper = await front.shop.plan(amount=1000)

    async def put(**body):
        return (await front.ask("PUT", path, body)).json()["data"]

    assert (await put(quantity=2))["quantity"] == 2
    pending = await put(plan_id=cheaper.code)
    assert (pending["plan_code"] != cheaper.code, pending["pending_change"]["plan_code"]) == (True, cheaper.code)
    assert (await put(auto_renew=False))["cancel_at_period_end"]
    assert not (await put(auto_renew=True))["cancel_at_period_end"]
    assert (await front.ask("PUT", path, {})).status_code == 422
    assert (await front.ask("DELETE", path)).json()["data"]["cancel_at_period_end"]
    assert (await front.ask("DELETE", f"{path}?when=now")).json()["data"]["status"] == "canceled"
    assert (await front.ask("DELETE", f"{path}?when=now")).status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"product": "film"}, 201),
        ({"product_id": "film"}, 201),
        ({"amount": 1200, "currency": "EUR"}, 201),
        ({"amount": 1200, "currency": "EUR", "recurring": {"interval": "month"}}, 201),
        ({}, 422),
        ({"amount": 1200}, 422),
        ({"product": "film", "amount": 1200, "currency": "EUR"}, 422),
        ({"product": "film", "recurring": {"interval": "month"}}, 422),
        ({"amount": 0, "currency": "EUR"}, 422),
        ({"amount": 2**62, "currency": "EUR"}, 422),
        ({"amount": 1200, "currency": "EUR", "recurring": {"interval": "month", "interval_count": 0}}, 422),
    ],
)
@pytest.mark.parametrize("path", ["/pay", "/api/orders"])
async def test_an_order_is_a_product_or_an_amount(front, path, body, status):
    await a_film(front)
    customer = await front.shop.customer()
    answer = await front.ask("POST", path, {"customer": customer.organization_id, **body})
    assert answer.status_code == status, answer.text
    if status == 201:
        data = answer.json()["data"]
        assert (data["status"], data["payment_status"]) == ("processing", "awaiting_customer")
        assert data["payment_link"]


async def test_repaying_answers_with_a_link_or_with_the_payment(front):
    customer = await front.shop.customer()
    card = await front.shop.card(customer)
    front.shop.bank = says_no
    declined = await front.shop.subscribe(customer, await front.shop.plan(), payment_method_id=card.id)
    path = f"/api/invoices/{await front.shop.number(declined)}/pay"
    by_link = (await front.ask("POST", path, {})).json()["data"]
    assert (by_link["invoice_status"], by_link["payment_status"]) == ("open", "declined")
    assert by_link["payment_link"]
    by_card = (await front.ask("POST", path, {"payment_method_id": ids.to_text("pm", card.id)})).json()["data"]
    assert by_card["payment_status"] == "requested"


@pytest.mark.parametrize(
    ("path", "body", "field", "says"),
    [
        ("/api/orders", {"amount": 100}, "currency", "currency: an amount needs its currency"),
        ("/api/orders", {"product": "none"}, "product", "there is no such product"),
        ("/api/orders", {"product": "film", "recurring": {"interval": "month"}}, "recurring", None),
        ("/api/subscriptions", {"alignment": "own"}, "alignment", "alignment: is of an add-on: it needs a parent_id"),
    ],
)
async def test_what_is_refused_names_the_field_that_was_sent(front, path, body, field, says):
    subscribes = path == "/api/subscriptions"
    whose = {"organization_id": "org_1", "plan_id": "pro"} if subscribes else {"customer": "org_1"}
    await front.shop.customer(organization_id="org_1")
    answer = (await front.ask("POST", path, {**whose, **body})).json()
    assert (answer["field"], answer["detail"]) == (field, says or answer["detail"])
