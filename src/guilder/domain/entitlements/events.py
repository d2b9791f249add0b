"""What entitlements announces."""

from dataclasses import dataclass
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
