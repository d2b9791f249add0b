"""When to try again, what then, and when access ends."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId


class Status(StrEnum):
    OPEN = "open"
    EXHAUSTED = "exhausted"  # no more automatic tries; reminders go on
    RECOVERED = "recovered"
    CLOSED = "closed"  # nothing is owed any more: voided, forgiven


class FinalAction(StrEnum):
    SUSPEND = "suspend"  # leave it past due, blocked, until it is repaid
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A tenant's rules. Days count from the first failure; of what was sent with terms, from its due date."""

    tenant_id: TenantId
    retry_days: tuple[int, ...] = (1, 3, 7)
    reminder_every_days: int = 3
    reminders_max: int = 10
    final_action: FinalAction = FinalAction.SUSPEND
    blocks_at_first_failure: bool = False
    grace_days: int = 0  # after the last try, before access is blocked


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

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)

    @property
    def subscription_refs(self) -> tuple[Ref, ...]:
        return tuple(Ref(self.tenant_id, each) for each in self.subscription_ids)
