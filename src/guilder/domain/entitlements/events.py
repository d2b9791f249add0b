"""What entitlements announces."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEvent(Event):
    topic: ClassVar = "entitlements.events"

    customer_id: CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(AccessEvent):
    name: ClassVar = "entitlements.access.granted"

    kind: str
    source_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEnded(AccessEvent):
    name: ClassVar = "entitlements.access.ended"

    kind: str
    source_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessBlocked(AccessEvent):
    name: ClassVar = "entitlements.access.blocked"

    cause_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRestored(AccessEvent):
    name: ClassVar = "entitlements.access.restored"

    cause_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReached(AccessEvent):
    """Use has come to this share of what is included, in per cent (80 or 100): told once a period for each."""

    name: ClassVar = "entitlements.limit.reached"

    code: str
    percent: int
    included: int
    used: Decimal
    is_hard: bool
    period_starts_at: datetime
