"""What notifications announces."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationEvent(Event):
    topic: ClassVar = "notifications.requests"

    notification_id: UUID
    customer_id: CustomerId
    channel: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRequested(NotificationEvent):
    name: ClassVar = "notifications.notification.requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSent(NotificationEvent):
    name: ClassVar = "notifications.notification.sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFailed(NotificationEvent):
    name: ClassVar = "notifications.notification.failed"

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationBounced(Event):
    """An address takes nothing, or its owner called a mail spam: nothing more is sent there until it changes.

    `notification_id` is None where the provider did not say of which message.
    """

    name: ClassVar = "notifications.notification.bounced"
    topic: ClassVar = "notifications.requests"

    notification_id: UUID | None
    customer_id: CustomerId
    channel: str
    bounce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationLimitReached(Event):
    """A message was dropped for the tenant's limit; said once a day and channel."""

    name: ClassVar = "notifications.limit.reached"
    topic: ClassVar = "notifications.requests"
    key: ClassVar = "tenant_id"

    channel: str
    window: str  # day | month
    limit: int
