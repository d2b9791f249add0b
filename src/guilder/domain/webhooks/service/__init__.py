"""The verbs of webhooks."""

from guilder.domain.webhooks.service.forgetting import forget_customer, of_customer_export
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
from guilder.domain.webhooks.store.messages import ANSWERS

# What is sealed of what people write: for the walk that seals what was written before.
WORDS = (ANSWERS,)

__all__ = [
    "WORDS",
    "forget_customer",
    "of_customer_export",
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
