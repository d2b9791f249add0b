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
