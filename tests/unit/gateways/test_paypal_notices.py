"""What PayPal's events come to, by their bodies alone."""

import json

import pytest

from guilder.domain.gateways.adapters.paypal.notices import from_event
from guilder.domain.gateways.adapters.paypal.signature import Certificates
from guilder.domain.gateways.model import DisputeStatus
from guilder.domain.gateways.port import UnreadableNotice


def read(event_type: str, resource: object):
    return from_event(json.dumps({"id": "WH-1", "event_type": event_type, "resource": resource}).encode(), mode="test")


def a_case(**over: object) -> dict[str, object]:
    said = {
        "dispute_id": "PP-D-1",
        "disputed_transactions": [{"seller_transaction_id": "CAP"}],
        "dispute_amount": {"currency_code": "EUR", "value": "49.00"},
        "status": "OPEN",
        "dispute_life_cycle_stage": "CHARGEBACK",
    }
    return {**said, **over}


@pytest.mark.parametrize(
    ("over", "status"),
    [
        ({}, DisputeStatus.OPEN),
        ({"dispute_life_cycle_stage": "INQUIRY"}, DisputeStatus.INQUIRY),
        ({"dispute_life_cycle_stage": "ARBITRATION"}, DisputeStatus.OPEN),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": "RESOLVED_BUYER_FAVOUR"}}, DisputeStatus.LOST),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": "ACCEPTED"}}, DisputeStatus.LOST),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": "RESOLVED_SELLER_FAVOUR"}}, DisputeStatus.WON),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": "CANCELED_BY_BUYER"}}, DisputeStatus.WON),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": "RESOLVED_WITH_PAYOUT"}}, DisputeStatus.WON),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": "BY_A_COIN"}}, DisputeStatus.OPEN),
        ({"status": "RESOLVED"}, DisputeStatus.OPEN),
        ({"status": "RESOLVED", "dispute_outcome": {"outcome_code": ["ACCEPTED"]}}, DisputeStatus.OPEN),
        # An outcome before the end is a proposal.
        ({"dispute_outcome": {"outcome_code": "ACCEPTED"}}, DisputeStatus.OPEN),
    ],
)
def test_a_case_stands_as_it_says(over, status):
    assert read("CUSTOMER.DISPUTE.UPDATED", a_case(**over)).dispute.status is status


@pytest.mark.parametrize(
    "over",
    [{"dispute_id": ""}, {"disputed_transactions": []}, {"disputed_transactions": "x"}, {"dispute_amount": None}],
)
def test_a_case_that_names_no_payment_or_amount_is_kept_only(over):
    assert read("CUSTOMER.DISPUTE.CREATED", a_case(**over)).dispute is None


@pytest.mark.parametrize(
    "event_type", ["PAYMENT.CAPTURE.REVERSED", "VAULT.PAYMENT-TOKEN.CREATED", "VAULT.PAYMENT-TOKEN.DELETED", "X"]
)
def test_what_says_nothing_to_us_is_kept_only(event_type):
    notice = read(event_type, {"id": "R", "amount": {"currency_code": "EUR", "value": "1.00"}, "status": "COMPLETED"})
    assert (notice.subject, notice.outcome, notice.dispute, notice.mode) == (None, None, None, "test")


@pytest.mark.parametrize("resource", [None, [], "x", 1])
def test_an_event_about_nothing_is_kept_only(resource):
    assert read("PAYMENT.CAPTURE.COMPLETED", resource).subject is None


def test_a_capture_that_names_no_key_of_ours_is_nobodys():
    notice = read("PAYMENT.CAPTURE.COMPLETED", {"id": "C", "status": "COMPLETED", "custom_id": "the shop's own/1"})
    assert notice.business_key == ""


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"id": "", "event_type": "x"}', b'{"id": "x"}'])
def test_what_is_no_event_is_unreadable(body):
    with pytest.raises(UnreadableNotice):
        from_event(body, mode="test")


async def test_the_public_authorities_are_trusted_where_none_are_given():
    certificates = Certificates()
    names, store = certificates._trusted()
    assert len(names) > 50
    assert certificates._trusted()[1] is store
    await certificates.close()
