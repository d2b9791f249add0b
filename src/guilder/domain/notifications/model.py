"""What is said to customers, and whether it arrived."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, TenantId


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Status(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    KEPT = "kept"  # in the local mailbox only: a sandbox's, or no server is configured


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one customer on one channel, about one cause. The cause is told of once a channel."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    channel: Channel
    kind: str
    status: Status
    recipient: str
    subject: str
    text: str
    html: str
    language: str
    cause_id: UUID
    created_at: datetime
    sent_at: datetime | None = None
    detail: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
