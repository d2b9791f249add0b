"""What signs, or proves who reports, is in no text that is made of a value by the way."""

from datetime import UTC, datetime
from uuid import UUID

from guilder.domain.notifications.model import Endpoint, EndpointKind
from guilder.domain.webhooks.model import Message, Parcel, Status
from guilder.kernel.ids import TenantId

ID, NOW = UUID(int=1), datetime(2026, 3, 1, tzinfo=UTC)


def test_a_parcel_does_not_show_what_signs_it():
    message = Message(
        tenant_id=TenantId(ID),
        id=ID,
        endpoint_id=ID,
        event_id=ID,
        event_name="x",
        line=ID,
        customer_id=None,
        body="{}",
        occurred_at=NOW,
        created_at=NOW,
        status=Status.PENDING,
        first_ended_at=None,
        is_out=True,
        due_at=None,
        tries=0,
        attempts=0,
        ended_at=None,
        reason="",
    )
    parcel = Parcel(message=message, url="https://example.com", allows_loopback=False, secrets=("whsec_c2VjcmV0",))
    assert "whsec_" not in repr(parcel)


def test_an_endpoint_of_reports_does_not_show_what_proves_them():
    endpoint = Endpoint(tenant_id=TenantId(ID), id=ID, kind=EndpointKind.TWILIO, secret="tw-token", created_at=NOW)
    assert "tw-token" not in repr(endpoint)
