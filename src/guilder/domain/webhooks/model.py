"""Where events are sent, what was sent, and how that went."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId


class Status(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # its schedule is over, or its endpoint is; a person may replay it


class Reason(StrEnum):
    """Why an endpoint is disabled."""

    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing but failures for days


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a tenant wants to be told, and where. `events` are names or beginnings: `invoicing.*`, `*`."""

    url: str
    events: tuple[str, ...]
    description: str = ""
    is_thin: bool = False
    allows_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address that events are sent to. Its health is what attempts there came to, counted since the last success."""

    tenant_id: TenantId
    id: UUID
    wish: Wish
    created_at: datetime
    configured_at: datetime
    previous_until: datetime | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    disabled_at: datetime | None = None
    disabled_reason: Reason | None = None
    deleted_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None and self.deleted_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """An event for an endpoint; `line` is whose first attempts go out one after another."""

    tenant_id: TenantId
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_name: str
    line: UUID
    customer_id: CustomerId | None
    body: str
    occurred_at: datetime

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event for one endpoint. Its id is the same in every attempt; `tries` are those since it was last replayed."""

    tenant_id: TenantId
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_name: str
    line: UUID
    customer_id: CustomerId | None
    body: str
    occurred_at: datetime
    created_at: datetime
    status: Status
    first_ended_at: datetime | None
    is_out: bool
    due_at: datetime | None
    tries: int
    attempts: int
    ended_at: datetime | None
    reason: str

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def endpoint_ref(self) -> Ref:
        return Ref(self.tenant_id, self.endpoint_id)

    @property
    def has_begun(self) -> bool:
        return self.first_ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message ready to be sent: the newest secret first."""

    message: Message
    url: str
    allows_loopback: bool
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one attempt went. `status` is None where no answer came; `error` is empty where it succeeded."""

    ref: Ref
    duration_ms: int
    status: int | None = None
    answer: str = ""
    error: str = ""
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        return not self.error

    @property
    def is_gone(self) -> bool:
        return self.status == 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt as it is kept."""

    tenant_id: TenantId
    id: UUID
    message_id: UUID
    attempted_at: datetime
    status: int | None
    duration_ms: int
    answer: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Which messages of an endpoint are to be sent again: those of events from `since` up to, not including, `until`; of
    them, those that follow on the message `after`."""

    since: datetime
    until: datetime
    events: tuple[str, ...] = ()
    only_failed: bool = False
    after: UUID | None = None
