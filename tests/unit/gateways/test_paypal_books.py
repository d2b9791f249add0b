"""PayPal's transactions in our words."""

import pytest

from guilder.domain.gateways.adapters.paypal import books
from guilder.kernel.money import Money

PAYMENT = {
    "transaction_id": "8AB12345CD678901E",
    "transaction_event_code": "T0006",
    "transaction_initiation_date": "2026-03-01T12:00:00+00:00",
    "transaction_amount": {"currency_code": "EUR", "value": "49.00"},
    "fee_amount": {"currency_code": "EUR", "value": "-1.72"},
    "transaction_status": "S",
    "custom_field": "a.b.1",
}
REFUND = {
    **PAYMENT,
    "transaction_id": "9RE12345CD678901E",
    "transaction_event_code": "T1107",
    "paypal_reference_id": "8AB12345CD678901E",
    "paypal_reference_id_type": "TXN",
    "transaction_amount": {"currency_code": "EUR", "value": "-49.00"},
}


@pytest.mark.parametrize(
    ("reference", "provider_ref"),
    [
        ({}, "8AB12345CD678901E"),
        ({"paypal_reference_id": "B-1", "paypal_reference_id_type": "PAP"}, "8AB12345CD678901E"),
        ({"paypal_reference_id": "5O190127TN364715T", "paypal_reference_id_type": "ODR"}, "5O190127TN364715T"),
    ],
)
def test_each_payment_has_a_name_of_its_own_also_where_its_order_is_not_named(reference, provider_ref):
    found = books._record({"transaction_info": {**PAYMENT, **reference}})
    assert (found.provider_ref, found.charge_ref) == (provider_ref, "8AB12345CD678901E")


@pytest.mark.parametrize(("value", "fee"), [("-1.72", 172), ("0.35", -35)])
def test_a_fee_that_was_given_back_is_less_than_nothing(value, fee):
    found = books._record({"transaction_info": {**REFUND, "fee_amount": {"currency_code": "EUR", "value": value}}})
    assert found.fee == Money(fee, "EUR")
