"""What HTTP says of notifications."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from guilder.domain.notifications.model import Channel, Kind, Notification, Status
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import IdOf, Out

NotificationRef = Annotated[UUID, IdOf("msg")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]


class NotificationOut(Out):
    """A message as a list shows it. `subject` is null until it was written, for SMS, and once its reader was erased."""

    id: NotificationRef
    customer_id: CustomerRef
    channel: Channel
    kind: Kind
    status: Status
    language: str
    subject: str | None
    invoice_id: InvoiceRef | None
    subscription_id: SubscriptionRef | None
    detail: str
    created_at: datetime
    sent_at: datetime | None


class NotificationWhole(NotificationOut):
    """A message with what it says. `recipient` is shown from the role `billing` on, and to its own customer."""

    recipient: str | None
    text: str | None
    html: str | None


def to_wire(each: Notification) -> NotificationOut:
    return NotificationOut(
        id=each.id,
        customer_id=each.customer_id,
        channel=each.channel,
        kind=each.kind,
        status=each.status,
        language=each.language,
        subject=each.content.subject or None if each.content else None,
        invoice_id=each.about.invoice_id,
        subscription_id=each.about.subscription_id,
        detail=each.detail,
        created_at=each.created_at,
        sent_at=each.sent_at,
    )


def whole_to_wire(each: Notification, *, shows_recipient: bool) -> NotificationWhole:
    content = each.content
    return NotificationWhole(
        **to_wire(each).model_dump(),
        recipient=content.recipient if content and shows_recipient else None,
        text=content.text if content else None,
        html=content.html or None if content else None,
    )
