import pytest

from guilder.domain.identity.model import Role

BODY = {
    "code": "Spring",
    "name": "Spring",
    "percent": "12.5",
    "duration": "periods",
    "periods": 3,
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2026-12-31T00:00:00Z",
    "redemptions_max": 4,
    "redemptions_max_per_customer": 1,
    "plan_ids": [],
    "first_purchase_only": True,
    "metadata": {"by": "mail"},
}
FIVE_OFF = {"code": "FIVE", "name": "Five off", "amount": 500, "currency": "EUR"}


async def test_a_promo_code_is_made_listed_found_and_archived(ask):
    made = await ask("POST", "/api/promo-codes", BODY)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert {name: data[name] for name in BODY} == BODY
    assert (data["status"], data["redemptions"], data["amount"], data["currency"]) == ("active", 0, None, None)
    for name in ("SPRING", data["id"]):
        assert (await ask("GET", f"/api/promo-codes/{name}")).json()["data"] == data
    archived = (await ask("DELETE", "/api/promo-codes/spring")).json()["data"]
    assert archived == {**data, "status": "archived"}
    assert (await ask("GET", "/api/promo-codes")).json()["data"] == []
    assert (await ask("GET", "/api/promo-codes?archived=true")).json()["data"] == [archived]
    assert (await ask("GET", f"/api/promo-codes/{data['id']}")).json()["data"] == archived
    assert (await ask("DELETE", "/api/promo-codes/spring")).status_code == 404


async def test_one_of_an_amount_says_its_currency(ask):
    data = (await ask("POST", "/api/promo-codes", FIVE_OFF)).json()["data"]
    assert (data["amount"], data["currency"], data["percent"], data["duration"]) == (500, "EUR", None, "once")


async def test_plans_are_named_by_id_or_code(ask):
    plan = {"code": "pro", "name": "Pro", "prices": [{"billing_cycle": "monthly", "amount": 1, "currency": "EUR"}]}
    plan_id = (await ask("POST", "/api/plans", plan)).json()["data"]["id"]
    made = await ask("POST", "/api/promo-codes", {**BODY, "plan_ids": ["pro", plan_id]})
    assert made.json()["data"]["plan_ids"] == [plan_id]
    wrong = await ask("POST", "/api/promo-codes", {**FIVE_OFF, "plan_ids": ["pro", "other"]})
    assert (wrong.status_code, wrong.json()["field"]) == (404, "plan_ids[1]")


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"percent": None}, "percent"),
        ({"percent": "0"}, "percent"),
        ({"percent": 10}, "percent"),
        ({"amount": 5}, "currency"),
        ({"currency": "EUR"}, "amount"),
        ({"amount": 5, "currency": "EUR"}, "percent"),
        ({"duration": "once"}, "periods"),
        ({"periods": None}, "periods"),
        ({"ends_at": BODY["starts_at"]}, "ends_at"),
        ({"redemptions_max": 0}, "redemptions_max"),
        ({"code": "no spaces"}, "code"),
    ],
)
async def test_one_that_cannot_be_is_refused_by_its_field(ask, over, field):
    answer = await ask("POST", "/api/promo-codes", {**BODY, **over})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_codes_are_taken_once_in_whatever_capitals(ask):
    await ask("POST", "/api/promo-codes", BODY)
    again = await ask("POST", "/api/promo-codes", {**BODY, "code": "SPRING"})
    assert (again.status_code, again.json()["code"]) == (409, "code_taken")


async def test_customers_neither_see_nor_make_them(house, tenant):
    await house.trusts(tenant)
    for method, path in (("GET", "/api/promo-codes"), ("GET", "/api/promo-codes/Spring"), ("POST", "/api/promo-codes")):
        answer = await house.user_of("org_1")(method, path, BODY if method == "POST" else None)
        assert answer.status_code in (401, 403), answer.text
    member = await house.key_of(tenant, Role.MEMBER)
    assert (await member("POST", "/api/promo-codes", BODY)).status_code == 403
