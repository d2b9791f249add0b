"""Dates at the end of the calendar: refused by their field, before anything that cannot be counted on from is written."""

import pytest

from tests.http.orders.test_asking import a_subscriber, path_of

FOR_EVER = "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("at", [FOR_EVER, "9998-06-01T00:00:00Z"])
@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("DELETE", "?at=", None, "at"),
        ("POST", "/pause", {"when": "now", "resume_at": "{at}"}, "resume_at"),
        ("PUT", "", {"quantity": 2, "effective_at": "{at}"}, "effective_at"),
        ("POST", "/preview", {"quantity": 2, "effective_at": "{at}"}, "effective_at"),
    ],
)
async def test_a_customers_user_plans_nothing_for_the_end_of_the_calendar(front, method, path, body, field, at):
    customer = await front.shop.customer()
    subscribed = await a_subscriber(front, customer)
    said = {name: at if each == "{at}" else each for name, each in body.items()} if body else None
    user = front.served.user_of(customer.organization_id, role="billing")
    refused = await user(method, path_of(subscribed) + (path + at if said is None else path), said)
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (422, "bad_instant", field)
    assert (await user("GET", f"{path_of(subscribed)}/next-invoice")).status_code == 200
