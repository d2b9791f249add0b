"""What a message says …"""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.domain.webhooks.rules import saying

ONE, TWO = "019ca945-2170-70ad-9000-000000000001", "019ca945-2170-70ad-9000-000000000002"
DATA = {
    "customer_id": ONE,
    "invoice_ids": [ONE, TWO],
    "no_ids": [],
    "order_id": None,
    "number": "INV-1",
    "total": {"minor": 1, "currency": "EUR"},
    "words": ["a"],
    "is_paid": True,
}


def test_thinly_is_its_ids_alone():
    assert saying.thinned(DATA) == {"customer_id": ONE, "invoice_ids": [ONE, TWO]}


def test_is_the_event_with_its_name_and_instant():
    at = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert saying.payload("a.b.c", occurred_at=at, event_id=UUID(ONE), data=DATA) == {
        "type": "a.b.c",
        "timestamp": "2026-03-01T12:00:00.000005Z",
        "event_id": ONE,
        "data": DATA,
    }


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [
        ("payments.payment.succeeded", True),
        ("gateways.account.down", True),
        ("gateways.request.answered", False),
        ("gateways.notice.received", False),
        ("gateways.dispute.noticed", False),
        ("gateways.elsewhere.noticed", False),
        ("gateways.method.noticed", False),
    ],
)
def test_of_a_talk_with_a_provider_is_its_ids_alone(name, is_whole):
    assert saying.told(name, DATA) == (DATA if is_whole else saying.thinned(DATA))
