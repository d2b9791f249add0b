"""What of an event is kept: nothing that may be of a person."""

from uuid import UUID

import pytest

from guilder.domain.audit.rules import keeping

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8058"
KEY = UUID(int=9)


@pytest.mark.parametrize(
    ("action", "said", "kept"),
    [
        ("invoicing.invoice.paid", {"invoice_id": ID, "paid": {"minor": 5, "currency": "EUR"}}, None),
        ("payments.payment.failed", {"decline_code": "insufficient_funds", "is_hard": False, "retry_at": None}, None),
        ("subscriptions.subscription.renewed", {"starts_at": "2026-03-01T12:00:00Z", "plan_code": "pro"}, None),
        ("customers.customer.created", {"organization_id": "acme"}, {"organization_id": "sealed"}),
        ("payments.refund.asked", {"reason": "jane"}, {"reason": "sealed"}),
        ("entitlements.access.blocked", {"reason": "unpaid_invoice"}, None),
        ("entitlements.access.blocked", {"reason": "Jane asked us to"}, {"reason": "sealed"}),
        ("notifications.notification.failed", {"detail": "550 jane@example.com"}, {"detail": "sealed"}),
        ("payments.method.added", {"brand": "visa", "last4": "4242"}, {"brand": "sealed", "last4": "sealed"}),
        ("some.thing.new", {"said": "jane@example.com", "n": 1}, {"said": "sealed", "n": 1}),
        (
            "some.thing.new",
            {"lines": [{"text": "For Jane Doe", "code": "x"}]},
            {"lines": [{"text": "sealed", "code": "x"}]},
        ),
        ("some.thing.new", {"about": {"Jane Doe": 1}}, {"about": {"sealed": 1}}),
        ("some.thing.new", {"metadata": {"a": "b"}, "note": ""}, {"metadata": "sealed", "note": ""}),
        ("gateways.request.answered", {"request_id": ID, "link": "https://x", "brand": "visa"}, {"request_id": ID}),
        ("gateways.method.noticed", {"customer_id": ID, "token_digest": "0a", "card": {}}, {"customer_id": ID}),
        ("http.call.made", {"route": "/api/x/{id}", "sealed_reason": "0102"}, {"route": "/api/x/{id}"}),
        ("platform.row.changed", {"after": {"name": "Best Plan"}}, None),
    ],
)
def test_what_may_be_of_a_person_is_sealed(action, said, kept):
    assert keeping.kept(action, said) == (said if kept is None else kept)


@pytest.mark.parametrize(
    ("action", "said", "about"),
    [
        ("invoicing.invoice.paid", {"invoice_id": ID, "customer_id": OTHER}, ("invoice", UUID(ID))),
        ("subscriptions.trial.ending", {"subscription_id": ID}, ("trial", KEY)),
        ("platform.row.changed", {"table": "catalog.plans", "row": {"id": ID}}, ("catalog.plans", UUID(ID))),
        ("platform.row.changed", {"table": "dunning.policies", "row": {"tenant_id": ID}}, ("dunning.policies", KEY)),
        ("http.call.made", {"objects": [ID, "inv_01h455vb4pex5vsknk084sn02q"]}, None),
        ("http.call.made", {"objects": []}, ("call", None)),
    ],
)
def test_an_event_is_about_what_its_name_says_or_what_orders_it(action, said, about):
    found = keeping.object_of(action, said, KEY)
    if about is None:
        assert found[0] == "inv"
        assert found[1] is not None
    else:
        assert found == about


def test_a_change_of_a_customers_row_is_that_customers():
    said = {"table": "customers.customers", "row": {"id": ID}}
    assert keeping.customer_of(said) == UUID(ID)
    assert keeping.customer_of({"customer_id": OTHER}) == UUID(OTHER)
    assert keeping.customer_of({"customer_id": None}) is None
