"""What webhooks announces. None of it is sent to endpoints: what tells of deliveries would never end."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointEvent(Event):
    topic: ClassVar = "webhooks.events"
    key: ClassVar = "endpoint_id"

    endpoint_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointCreated(WebhookEndpointEvent):
    name: ClassVar = "webhooks.endpoint.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointChanged(WebhookEndpointEvent):
    name: ClassVar = "webhooks.endpoint.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecretRotated(WebhookEndpointEvent):
    """The endpoint has a new secret; the one before signs, too, until `previous_until`."""

    name: ClassVar = "webhooks.secret.rotated"

    previous_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointEnabled(WebhookEndpointEvent):
    name: ClassVar = "webhooks.endpoint.enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointDisabled(WebhookEndpointEvent):
    """Nothing more is sent there: it said 410 (`gone`), or nothing but failures for days (`failing`)."""

    name: ClassVar = "webhooks.endpoint.disabled"

    reason: str
    failing_since: datetime | None
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointDeleted(WebhookEndpointEvent):
    name: ClassVar = "webhooks.endpoint.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDeliveriesReplayed(WebhookEndpointEvent):
    name: ClassVar = "webhooks.deliveries.replayed"

    count: int
