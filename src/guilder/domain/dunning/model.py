"""When to try again, what then, and when access ends."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from guilder.kernel.ids import CustomerId, Ref, TenantId

_UTC = ZoneInfo("UTC")


class Status(StrEnum):
    OPEN = "open"
    EXHAUSTED = "exhausted"  # no more automatic tries; reminders go on
    PAUSED = "paused"  # by a person: no tries, reminders or blocks; only its dates go by
    RECOVERED = "recovered"
    CLOSED = "closed"  # nothing is owed any more: voided, forgiven


class FinalAction(StrEnum):
    SUSPEND = "suspend"  # leave it past due, blocked, until it is repaid
    CANCEL = "cancel"
    LEAVE_PAST_DUE = "leave_past_due"  # it runs on and is billed; only access ends, after the grace


class ChangeKind(StrEnum):
    """What can happen to a case."""

    OPENED = "opened"
    FAILED = "failed"
    RETRIED = "retried"
    FELL_BACK = "fell_back"  # another of the customer's methods was tried at once
    REMINDED = "reminded"
    EXHAUSTED = "exhausted"
    BLOCKED = "blocked"
    PAUSED = "paused"
    RESUMED = "resumed"
    RECOVERED = "recovered"
    CLOSED = "closed"
    GIVEN_UP = "given_up"
    FORGIVEN = "forgiven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A tenant's rules, or those for one of its plans.

    Days count from the first failure; of what was sent with terms, from its due date.
    """

    tenant_id: TenantId
    plan_id: UUID | None = None
    retry_days: tuple[int, ...] = (1, 3, 7)
    reminder_every_days: int = 3
    reminders_max: int = 10
    final_action: FinalAction = FinalAction.SUSPEND
    blocks_at_first_failure: bool = False
    grace_days: int = 0  # after the last try, before access is blocked
    stops_at_hard_decline: bool = True
    falls_back: bool = True  # to the customer's other methods, at once
    pay_day_aware: bool = False
    retry_hour: int | None = None  # of the customer's local day

    @property
    def key(self) -> tuple[TenantId, UUID | None]:
        return self.tenant_id, self.plan_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """When a customer is likely to be able to pay: where it lives, and the local hour at which it mostly did."""

    zone: ZoneInfo = _UTC
    usual_hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a policy comes to for something that fails at `failed_at` and is never paid."""

    failed_at: datetime
    retries: tuple[datetime, ...]
    reminders: tuple[datetime, ...]
    ends_at: datetime  # the last try: the final action, and the apology
    blocks_at: datetime  # when access ends; with the subscription, where that is canceled


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A payment that failed, or did not come, as its own facts have it."""

    tenant_id: TenantId
    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    decline_code: str
    is_hard: bool
    failed_at: datetime
    attempt: int = 1  # which one of its invoice it was
    is_overdue: bool = False  # nobody was charged: the day has passed by which its customer was to pay

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    invoice_id: UUID
    subscription_id: UUID | None
    status: Status
    retries_made: int
    first_failed_at: datetime
    last_failed_at: datetime
    last_decline_code: str
    opened_at: datetime
    next_retry_at: datetime | None = None
    next_reminder_at: datetime | None = None
    block_at: datetime | None = None  # exhausted: when its grace is over; sent and open: when its time is up
    reminders_sent: int = 0
    is_blocking: bool = False
    closed_at: datetime | None = None
    is_sent: bool = False  # with payment terms: no card is tried for it
    subscription_ids: tuple[UUID, ...] = ()  # all that its invoice bills; a shared invoice is of none alone
    plan_id: UUID | None = None  # whose policy holds: the one plan of all these subscriptions, where it is one
    is_hard: bool = False  # the last failure said that there is no use
    paused_from: Status | None = None
    paused_until: datetime | None = None  # None while paused: until somebody says so

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def policy_key(self) -> tuple[TenantId, UUID | None]:
        return self.tenant_id, self.plan_id

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)

    @property
    def subscription_refs(self) -> tuple[Ref, ...]:
        return tuple(Ref(self.tenant_id, each) for each in self.subscription_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a case's history. `reason` is a decline code, or the words of the person who did it."""

    tenant_id: TenantId
    case_id: UUID
    change: ChangeKind
    from_status: Status | None
    to_status: Status
    reason: str = ""
    payment_id: UUID | None = None
    next_retry_at: datetime | None = None
    n: int = 0  # its place in the history, from 1; given when it is written
    at: datetime | None = None
    actor: str = ""
