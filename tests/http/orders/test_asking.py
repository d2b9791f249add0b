"""Starts, trials, pauses, previews and promo codes over HTTP: shapes, walls, and what a customer's user may say."""

from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Billing, Duration, NewPromoCode
from guilder.kernel import ids


def path_of(answer):
    return f"/api/subscriptions/{ids.to_text('sub', answer.subscription.id)}"


async def a_subscriber(front, customer=None, **plan):
    customer = customer or await front.shop.customer()
    card = await front.shop.card(customer)
    return await front.shop.subscribe(customer, await front.shop.plan(**plan), payment_method_id=card.id)


async def a_code(front):
    promo = NewPromoCode(code="TENTH", name="A tenth", percent=Decimal(10), duration=Duration.FOREVER)
    return await front.shop.act(lambda tx: catalog.create_promo_code(tx, promo=promo, now=front.shop.now))


def written(instant):
    return instant.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("over", "status", "field"),
    [
        ({"starts_at": "2200-01-01T00:00:00Z"}, 422, "starts_at"),
        ({"starts_at": "tomorrow"}, 422, "starts_at"),
        ({"trial_days": 3, "trial_ends_at": "2100-01-01T00:00:00Z"}, 422, "trial_ends_at"),
        ({"promo_code": "nothing"}, 404, "promo_code"),
        ({"parent_id": "sub_01h455vb4pex5vsknk084sn02q"}, 404, "parent_id"),
        ({"billing": {"alignment": "billing_day"}}, 422, "billing.billing_day"),
        ({"billing": {"in_arrears": True}}, 422, "billing.in_arrears"),
        ({"charges": [{"charge": "calls", "model": "per_unit", "unit_amount": "1"}]}, 422, "charges[0].charge"),
        ({"unit_amount": -1}, 422, "unit_amount"),
        ({"past_periods": "forget"}, 422, "past_periods"),
        ({"billing": {"alignment": "billing_day", "billing_day": 31, "basis": "day_30"}}, 201, None),
        ({"unit_amount": 1234, "quantity": 2}, 201, None),
        ({"price_model": {"model": "flat", "unit_amount": "9900"}}, 201, None),
    ],
)
async def test_a_refusal_names_its_field(front, over, status, field):
    customer, plan = await front.shop.customer(), await front.shop.plan()
    body = {"organization_id": customer.organization_id, "plan_id": plan.code, **over}
    answer = await front.ask("POST", "/api/subscriptions", body)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text


@pytest.mark.shows("API3", "ASVS 8.2.3")
@pytest.mark.parametrize(
    "said",
    [
        {"trial_days": 0},
        {"trial_ends_at": "2100-01-01T00:00:00Z"},
        {"starts_at": "2026-01-01T00:00:00Z"},
        {"past_periods": "skip"},
        {"trial_needs_method": False},
        {"billing": {"collection": "send"}},
        {"unit_amount": 1},
        {"price_model": {"model": "flat", "unit_amount": "1"}},
        {"charges": [{"charge": "calls", "model": "per_unit", "unit_amount": "0"}]},
        {"metadata": {"tier": "vip"}},
    ],
    ids=lambda said: next(iter(said)),
)
@pytest.mark.parametrize("path", ["/api/subscriptions", "/api/subscriptions/preview"])
async def test_what_is_the_sellers_to_say_no_customer_says(front, said, path):
    mine, plan = await front.shop.customer(), await front.shop.plan()
    user = front.served.user_of(mine.organization_id, role="admin")
    answer = await user("POST", path, {"organization_id": mine.organization_id, "plan_id": plan.code, **said})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        403,
        "field_not_yours",
        next(iter(said)),
    )


@pytest.mark.shows("API3", "API6")
@pytest.mark.shows("API3", "ASVS 8.2.3")
@pytest.mark.parametrize(
    "said", [{"when": "now"}, {"anchor": "keep"}, {"plan_version": "latest"}, {"metadata": {}}], ids=lambda said: next(iter(said))
)  # fmt: skip
async def test_a_customer_changes_its_plan_but_not_on_terms_of_its_own(front, said):
    mine, plan = await front.shop.customer(), await front.shop.plan()
    user = front.served.user_of(mine.organization_id, role="admin")
    body = {"organization_id": mine.organization_id, "plan_id": plan.code, "quantity": 2}
    made = (await user("POST", "/api/subscriptions", body)).json()["data"]
    for method, path in (("PUT", ""), ("POST", "/preview")):
        answer = await user(method, f"/api/subscriptions/{made['id']}{path}", {"quantity": 1, **said})
        refused = answer.json()
        assert (answer.status_code, refused["code"], refused["field"]) == (403, "field_not_yours", next(iter(said)))
    assert "metadata" not in made
    # Asking for what it has changes nothing, and shows it whole.
    kept = (await front.ask("PUT", f"/api/subscriptions/{made['id']}", {"quantity": 2})).json()["data"]
    assert (kept["quantity"], kept["metadata"]) == (2, {})


async def test_a_customers_user_uses_a_code_it_was_given_but_gives_itself_nothing(front):
    mine, theirs = await front.shop.customer(), await front.shop.customer()
    await a_code(front)
    plan = await front.shop.plan()
    user = front.served.user_of(mine.organization_id, role="admin")
    body = {"organization_id": mine.organization_id, "plan_id": plan.code, "promo_code": "tenth"}
    made = (await user("POST", "/api/subscriptions", body)).json()["data"]
    assert made["amount_due"] == 2700
    path = f"/api/subscriptions/{made['id']}"
    [discount] = (await user("GET", f"{path}/discounts")).json()["data"]
    assert (discount["code"], discount["percent"]) == ("TENTH", "10")
    until = written(front.shop.now + timedelta(days=9))
    for method, to, said in (
        ("POST", f"{path}/discounts", {"code": "TENTH"}),
        ("DELETE", f"{path}/discounts/{discount['id']}", None),
        ("POST", f"{path}/extend-trial", {"until": until}),
        ("PUT", path, {"plan_version": "latest"}),
        ("DELETE", f"{path}?when=now&unused=refund", None),
        ("POST", f"{path}/preview", {"cancel": {"when": "now", "unused": "credit"}}),
    ):
        assert (await user(method, to, said)).status_code == 403, to
    stranger = front.served.user_of(theirs.organization_id, role="admin")
    for method, to, said in (
        ("GET", f"{path}/discounts", None),
        ("GET", f"{path}/add-ons", None),
        ("GET", f"{path}/next-invoice", None),
        ("POST", f"{path}/preview", {"quantity": 2}),
        ("POST", f"{path}/pause", {}),
        ("POST", f"{path}/resume", {}),
        ("POST", f"{path}/billing-day", {"billing_day": 3}),
        ("DELETE", f"{path}/pending-change", None),
    ):
        assert (await stranger(method, to, said)).status_code == 404, to


async def test_a_code_is_redeemed_listed_and_ended(front):
    await a_code(front)
    answer = await a_subscriber(front)
    path = f"{path_of(answer)}/discounts"
    made = await front.ask("POST", path, {"code": "tenth"})
    assert made.status_code == 201, made.text
    discount = made.json()["data"]
    assert discount["id"].startswith("disc_")
    assert [each["id"] for each in (await front.ask("GET", path)).json()["data"]] == [discount["id"]]
    ended = (await front.ask("DELETE", f"{path}/{discount['id']}")).json()["data"]
    assert ended["ended_at"] is not None
    assert (await front.ask("POST", path, {"code": "nothing"})).json()["field"] == "code"
    gone = NewPromoCode(code="GONE", name="Gone", percent=Decimal(10), duration=Duration.ONCE, ends_at=front.shop.now)
    await front.shop.act(lambda tx: catalog.create_promo_code(tx, promo=gone, now=front.shop.now - timedelta(days=1)))
    refused = (await front.ask("POST", path, {"code": "gone"})).json()
    assert (refused["code"], refused["field"]) == ("promo_expired", "code")
    nothing = ids.to_text("disc", ids.new(front.shop.now))
    assert (await front.ask("DELETE", f"{path}/{nothing}")).status_code == 404


async def test_a_code_is_not_used_up_by_what_has_ended(front):
    await a_code(front)
    answer = await a_subscriber(front)
    await front.ask("DELETE", f"{path_of(answer)}?when=now")
    refused = await front.ask("POST", f"{path_of(answer)}/discounts", {"code": "tenth"})
    assert (refused.status_code, refused.json()["code"]) == (409, "subscription_has_ended"), refused.text
    assert (await front.ask("GET", f"{path_of(answer)}/discounts")).json()["data"] == []


async def test_a_preview_shows_what_would_be_and_makes_nothing(front):
    customer, plan = await front.shop.customer(), await front.shop.plan(amount=3000)
    body = {"organization_id": customer.organization_id, "plan_id": plan.code, "quantity": 2}
    shown = await front.ask("POST", "/api/subscriptions/preview", body)
    assert shown.status_code == 200, shown.text
    data = shown.json()["data"]
    assert [line["amount"] for line in data["invoices"][0]["lines"]] == [6000]
    assert (data["amount_due"], data["currency"], data["credit_notes"]) == (6000, "EUR", [])
    assert data["subscription"]["status"] == "processing"
    assert (await front.ask("GET", "/api/orders")).json()["data"] == []

    answer = await a_subscriber(front, amount=3000, billing=Billing(unused_on_cancel="credit"))
    path = path_of(answer)
    data = (await front.ask("POST", f"{path}/preview", {"cancel": {"when": "now"}})).json()["data"]
    assert (data["subscription"]["status"], data["credit_notes"][0]["total"], data["amount_due"]) == (
        "canceled",
        -3000,
        0,
    )
    data = (await front.ask("GET", f"{path}/next-invoice")).json()["data"]
    assert data["invoices"][0]["issued_at"] == written(answer.subscription.current_period.ends_at)
    for wrong in ({}, {"quantity": 2, "cancel": {"when": "now"}}):
        assert (await front.ask("POST", f"{path}/preview", wrong)).status_code == 422
    cheaper = await front.shop.plan(amount=100)
    data = (await front.ask("POST", f"{path}/preview", {"plan_id": cheaper.code})).json()["data"]
    assert (data["invoices"], data["subscription"]["pending_change"]["plan_code"]) == ([], cheaper.code)


async def test_pausing_resuming_and_another_billing_day_answer_with_the_subscription(front):
    path = path_of(await a_subscriber(front))

    async def post(to, **body):
        answer = await front.ask("POST", f"{path}/{to}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    assert (await post("billing-day", billing_day=31))["billing"]["billing_day"] == 31
    assert (await post("billing-day", alignment="anniversary"))["billing"]["alignment"] == "anniversary"
    assert (await post("pause", when="period_end"))["pause"]["paused_at"] is None
    assert (await post("resume"))["pause"] is None
    assert (await post("pause"))["status"] == "paused"
    at = written(front.shop.now + timedelta(days=3))
    gone = await front.ask("POST", f"{path}/resume", {"at": written(front.shop.now)})
    assert (gone.json()["code"], gone.json()["field"]) == ("date_is_past", "at")
    assert (await post("resume", at=at))["pause"]["resumes_at"] == at
    assert (await post("resume"))["status"] == "active"
    for to, body in (
        ("billing-day", {}),
        ("billing-day", {"billing_day": 32}),
        ("billing-day", {"alignment": "calendar", "billing_day": 3}),
        ("extend-trial", {}),
        ("pause", {"when": "later"}),
    ):
        assert (await front.ask("POST", f"{path}/{to}", body)).status_code == 422, (to, body)
    assert (await front.ask("POST", f"{path}/extend-trial", {"until": at})).status_code == 409


async def test_a_change_and_an_end_on_a_date_are_shown_and_revoked(front):
    path = path_of(await a_subscriber(front, amount=3000))
    at = written(front.shop.now + timedelta(days=3))
    pending = (await front.ask("PUT", path, {"quantity": 3, "effective_at": at})).json()["data"]["pending_change"]
    assert (pending["quantity"], pending["takes_effect_at"]) == (3, at)
    assert (await front.ask("DELETE", f"{path}/pending-change")).json()["data"]["pending_change"] is None
    both = await front.ask("PUT", path, {"quantity": 3, "effective_at": at, "when": "now"})
    assert (both.status_code, both.json()["field"]) == (422, "effective_at")
    gone = await front.ask("PUT", path, {"quantity": 3, "effective_at": written(front.shop.now)})
    assert (gone.json()["code"], gone.json()["field"]) == ("date_is_past", "effective_at")
    ending = await front.ask("DELETE", f"{path}?at={at}")
    assert ending.json()["data"]["cancel_at"] == at, ending.text
    kept = (await front.ask("PUT", path, {"auto_renew": True})).json()["data"]
    assert kept["cancel_at"] is None
    assert (await front.ask("DELETE", f"{path}?when=period_end&unused=credit")).json()["code"] == "unused_only_now"


async def test_a_change_is_to_what_could_be_subscribed_to(front):
    customer = await front.shop.customer()
    base = path_of(await a_subscriber(front, customer=customer, amount=3000))
    extra = await front.shop.plan(amount=500, is_add_on=True)
    other = path_of(await a_subscriber(front, customer=customer, amount=4000))
    taken = (await front.ask("PUT", other, {"quantity": 1})).json()["data"]["plan_code"]
    for plan, code in ((extra.code, "needs_parent"), (taken, "already_subscribed")):
        for method, path in (("PUT", base), ("POST", f"{base}/preview")):
            refused = (await front.ask(method, path, {"plan_id": plan})).json()
            assert (refused.get("code"), refused.get("field")) == (code, "plan_id"), refused
    sub = {"organization_id": customer.organization_id, "plan_id": extra.code, "parent_id": base.rsplit("/", 1)[-1]}
    beside = (await front.ask("POST", "/api/subscriptions", sub)).json()["data"]["id"]
    free = await front.shop.plan(amount=600)
    refused = (await front.ask("PUT", f"/api/subscriptions/{beside}", {"plan_id": free.code})).json()
    assert (refused.get("code"), refused.get("field")) == ("not_an_add_on", "plan_id")


async def test_what_a_subscription_is_to_have_cannot_be_had_beside_it(front):
    customer = await front.shop.customer()
    one = path_of(await a_subscriber(front, customer=customer, amount=3000))
    other = path_of(await a_subscriber(front, customer=customer, amount=4000))
    wish = {"plan_id": (await front.shop.plan(amount=5000)).code, "when": "period_end"}
    planned = await front.ask("PUT", one, wish)
    assert planned.json()["data"]["pending_change"] is not None, planned.text
    sub = {"organization_id": customer.organization_id, "plan_id": wish["plan_id"]}
    for method, path, body in (("POST", "/api/subscriptions", sub), ("PUT", other, wish)):
        refused = (await front.ask(method, path, body)).json()
        assert (refused.get("code"), refused.get("field")) == ("already_subscribed", "plan_id"), refused
    now = await front.ask("PUT", one, {**wish, "when": "now"})
    assert now.status_code in {200, 202}, "what was planned may come sooner"


async def test_what_is_planned_no_more_can_be_had(front):
    customer = await front.shop.customer()
    one = path_of(await a_subscriber(front, customer=customer, amount=3000))
    wish = {"plan_id": (await front.shop.plan(amount=5000)).code, "when": "period_end"}
    await front.ask("PUT", one, wish)
    await front.ask("DELETE", f"{one}/pending-change")
    sub = {"organization_id": customer.organization_id, "plan_id": wish["plan_id"]}
    assert (await front.ask("POST", "/api/subscriptions", sub)).status_code == 201


async def test_add_ons_are_listed_under_what_they_belong_to(front):
    customer = await front.shop.customer()
    base = await a_subscriber(front, customer=customer, amount=3000)
    extra = await front.shop.plan(amount=500, is_add_on=True)
    path = path_of(base)
    body = {
        "organization_id": customer.organization_id,
        "plan_id": extra.code,
        "parent_id": path.rsplit("/", 1)[-1],
        "alignment": "parent",
    }
    made = await front.ask("POST", "/api/subscriptions", body)
    assert made.status_code == 201, made.text
    [listed] = (await front.ask("GET", f"{path}/add-ons")).json()["data"]
    assert (listed["id"], listed["add_on_to"]) == (made.json()["data"]["id"], path.rsplit("/", 1)[-1])
    alone = {**body, "parent_id": None, "alignment": None}
    assert (await front.ask("POST", "/api/subscriptions", alone)).json()["code"] == "needs_parent"
