import pytest

from guilder.domain.identity.model import Role
from tests.support.identity_provider import NOW

GERMAN = {
    "name": "USt",
    "percent": "8.875",
    "country": "DE",
    "region": "BY",
    "category": "books",
    "is_default": False,
    "legal_note": "§ 12 UStG",
    "valid_from": "2026-01-01",
    "valid_until": "2030-01-01",
}


async def test_a_rate_is_made_listed_found_and_ended(ask):
    made = await ask("POST", "/api/tax-rates", GERMAN)
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    assert {name: data[name] for name in GERMAN} == GERMAN
    assert (await ask("GET", "/api/tax-rates")).json()["data"] == [data]
    assert (await ask("GET", f"/api/tax-rates/{data['id']}")).json()["data"] == data
    ended = await ask("DELETE", f"/api/tax-rates/{data['id']}")
    assert ended.json()["data"] == {**data, "valid_until": NOW.date().isoformat()}
    assert (await ask("DELETE", "/api/tax-rates/txr_01h455vb4pex5vsknk084sn02q")).status_code == 404


async def test_the_default_is_put_or_posted_and_there_is_one(ask):
    put = await ask("PUT", "/api/tax-rates/default", {"name": "VAT", "percent": "19", "country": "DE"})
    assert put.status_code == 200, put.text
    assert put.json()["data"]["is_default"] is True
    posted = await ask("POST", "/api/tax-rates", {"name": "VAT", "percent": "21", "is_default": True})
    listed = (await ask("GET", "/api/tax-rates")).json()["data"]
    assert listed == [posted.json()["data"]]


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"percent": 21}, "percent"),
        ({"percent": "1.00001"}, "percent"),
        ({"percent": "-1"}, "percent"),
        ({"percent": "100.1"}, "percent"),
        ({"country": "XX"}, "country"),
        ({"country": None}, "region"),
        ({"is_default": True}, "region"),
        ({"valid_until": "2026-01-01"}, "valid_until"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"valid_from": 20260101}, "valid_from"),
    ],
)
async def test_a_rate_that_cannot_be_is_refused_by_its_field(ask, over, field):
    answer = await ask("POST", "/api/tax-rates", {**GERMAN, **over})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_rates_are_for_administrators_to_set(house, tenant):
    biller = await house.key_of(tenant, Role.BILLING)
    assert (await biller("POST", "/api/tax-rates", GERMAN)).status_code == 403
    assert (await biller("GET", "/api/tax-rates")).status_code == 200
