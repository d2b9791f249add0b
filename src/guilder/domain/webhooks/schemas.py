"""What HTTP says and hears of webhooks. A secret goes out once: when it is made."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from guilder.domain.webhooks.model import Attempt, Endpoint, Message, Reason, Replay, Status, Wish
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import IdOf, In, Instant, Out, Shape, Text

EndpointRef = Annotated[UUID, IdOf("whe")]
DeliveryRef = Annotated[UUID, IdOf("msg")]
EventRef = Annotated[UUID, IdOf("evt")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
EVENTS_MAX = 100
_PATTERN = r"(\*|[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?)"
Pattern = Annotated[
    str, Shape(_PATTERN, "a name such as invoicing.invoice.paid, a beginning: invoicing.*, or *", max=100)
]


class EndpointIn(In):
    """Where events are sent, and which: names such as `invoicing.invoice.paid`, beginnings such as `invoicing.*`, or `*`.

    `is_thin`: a message holds the ids of its event and no more. `allows_loopback`: the address may be on this machine,
    http and any port; for sandboxes and test tenants where it is not production.
    """

    url: Annotated[str, Text(2048)]
    events: Annotated[list[Pattern], Field(min_length=1, max_length=EVENTS_MAX)]
    description: Annotated[str, Text(500, min=0)] = ""
    is_thin: bool = False
    allows_loopback: bool = False


class ReplayIn(In):
    """Which events' messages are sent again: those from `since` up to, not including, `until`; of them, those that follow on
    `after`, the `last_id` of the answer before."""

    since: Instant
    until: Instant
    events: Annotated[list[Pattern], Field(max_length=EVENTS_MAX)] = []
    only_failed: bool = False
    after: DeliveryRef | None = None


class EndpointOut(Out):
    """An endpoint and its health. `failures` are those in a row since the last success."""

    id: EndpointRef
    url: str
    events: list[str]
    description: str
    is_thin: bool
    allows_loopback: bool
    status: str
    created_at: datetime
    old_secret_until: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    failing_since: datetime | None
    failures: int
    disabled_at: datetime | None
    disabled_reason: Reason | None


class EndpointWithSecret(EndpointOut):
    """`secret` is shown this once."""

    secret: str


class DeliveryOut(Out):
    """One event for one endpoint. `id` is the `webhook-id` of every attempt; `dead` can be replayed."""

    id: DeliveryRef
    endpoint_id: EndpointRef
    event_id: UUID
    event: str
    customer_id: CustomerRef | None
    status: Status
    is_under_way: bool
    attempts: int
    next_attempt_at: datetime | None
    occurred_at: datetime
    created_at: datetime
    ended_at: datetime | None
    reason: str


class AttemptOut(Out):
    """An attempt: the answer's status and its first 2 kB, or what went wrong."""

    attempted_at: datetime
    status: int | None
    duration_ms: int
    answer: str
    error: str


class DeliveryWhole(DeliveryOut):
    """A delivery with what is sent, and the latest attempts, the first of them first."""

    body: str
    history: list[AttemptOut]


class ReplayedOut(Out):
    """How many messages are sent again, and the last of them. `has_more`: ask again for the rest, with it as `after`."""

    replayed: int
    has_more: bool
    last_id: DeliveryRef | None


class FeedEvent(Out):
    """An event as a CloudEvent 1.0."""

    specversion: str
    id: UUID
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    dataschema: str
    tenant: UUID
    partitionkey: str
    position: str
    actor: str
    requestid: str | None = None
    traceparent: str | None = None
    data: dict[str, Any]


def from_wire(body: EndpointIn) -> Wish:
    return Wish(
        url=body.url,
        events=tuple(body.events),
        description=body.description,
        is_thin=body.is_thin,
        allows_loopback=body.allows_loopback,
    )


def replay_from_wire(body: ReplayIn) -> Replay:
    return Replay(
        since=body.since,
        until=body.until,
        events=tuple(body.events),
        only_failed=body.only_failed,
        after=body.after,
    )


def to_wire(each: Endpoint) -> EndpointOut:
    return EndpointOut(
        id=each.id,
        url=each.wish.url,
        events=list(each.wish.events),
        description=each.wish.description,
        is_thin=each.wish.is_thin,
        allows_loopback=each.wish.allows_loopback,
        status="enabled" if each.is_active else "disabled",
        created_at=each.created_at,
        old_secret_until=each.previous_until,
        last_success_at=each.last_success_at,
        last_failure_at=each.last_failure_at,
        failing_since=each.failing_since,
        failures=each.failures,
        disabled_at=each.disabled_at,
        disabled_reason=each.disabled_reason,
    )


def with_secret(each: Endpoint, secret: str) -> EndpointWithSecret:
    return EndpointWithSecret(**to_wire(each).model_dump(), secret=secret)


def delivery_to_wire(each: Message) -> DeliveryOut:
    return DeliveryOut(
        id=each.id,
        endpoint_id=each.endpoint_id,
        event_id=each.event_id,
        event=each.event_name,
        customer_id=each.customer_id,
        status=each.status,
        is_under_way=each.is_out,
        attempts=each.attempts,
        next_attempt_at=each.due_at,
        occurred_at=each.occurred_at,
        created_at=each.created_at,
        ended_at=each.ended_at,
        reason=each.reason,
    )


def whole_to_wire(each: Message, attempts: list[Attempt]) -> DeliveryWhole:
    return DeliveryWhole(
        **delivery_to_wire(each).model_dump(),
        body=each.body,
        history=[
            AttemptOut(
                attempted_at=one.attempted_at,
                status=one.status,
                duration_ms=one.duration_ms,
                answer=one.answer,
                error=one.error,
            )
            for one in attempts
        ],
    )


def event_to_wire(each: dict[str, Any]) -> FeedEvent:
    return FeedEvent(**each)
