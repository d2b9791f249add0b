"""What privacy announces: ids and kinds, and nothing of the subject."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRequestEvent(Event):
    topic: ClassVar = "privacy.events"

    request_id: UUID
    customer_id: CustomerId
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRequestAsked(PrivacyRequestEvent):
    """Somebody asked for their data, or to be forgotten; it is to be answered by `due_at`."""

    name: ClassVar = "privacy.request.asked"

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRequestDone(PrivacyRequestEvent):
    """What was asked for is done: an export lies ready, or the subject is forgotten."""

    name: ClassVar = "privacy.request.done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRequestRefused(PrivacyRequestEvent):
    """What was asked for will not be done; the request says why."""

    name: ClassVar = "privacy.request.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecorded(Event):
    """A customer agreed to something, or took that back."""

    name: ClassVar = "privacy.consent.recorded"
    topic: ClassVar = "privacy.events"

    consent_id: UUID
    customer_id: CustomerId
    purpose: str
    is_given: bool
