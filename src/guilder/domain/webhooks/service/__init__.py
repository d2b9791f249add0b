"""The verbs of webhooks."""

from guilder.domain.webhooks.service.hearing import hear
from guilder.domain.webhooks.service.managing import (
    ENDPOINTS_MAX,
    NoLoopbackHere,
    TooManyEndpoints,
    UnknownEvents,
    change,
    create,
    delete,
    enable,
    listing,
    one,
    rotate,
)
from guilder.domain.webhooks.service.reading import event, events
from guilder.domain.webhooks.service.replaying import (
    REPLAY_MAX,
    EndpointDisabled,
    deliveries,
    delivery,
    ping,
    replay,
    replay_range,
)
from guilder.domain.webhooks.service.sending import SEND, parcels, record, retry_due

__all__ = [
    "ENDPOINTS_MAX",
    "REPLAY_MAX",
    "SEND",
    "EndpointDisabled",
    "NoLoopbackHere",
    "TooManyEndpoints",
    "UnknownEvents",
    "change",
    "create",
    "delete",
    "deliveries",
    "delivery",
    "enable",
    "event",
    "events",
    "hear",
    "listing",
    "one",
    "parcels",
    "ping",
    "record",
    "replay",
    "replay_range",
    "retry_due",
    "rotate",
]
