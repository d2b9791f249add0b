"""What dunning announces."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class DunningEvent(Event):
    topic: ClassVar = "dunning.events"

    case_id: UUID
    customer_id: CustomerId
    invoice_id: UUID
    subscription_id: UUID | None
    subscription_ids: tuple[UUID, ...] = ()  # every one that the invoice bills; a shared invoice is of none alone


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(DunningEvent):
    """A payment failed. Where it `is_tried_elsewhere`, another of the customer's methods is being tried at this moment:
    if that fails too, RetryPlanned or RetriesExhausted says so."""

    name: ClassVar = "dunning.case.opened"

    decline_code: str
    next_retry_at: datetime | None
    is_tried_elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlanned(DunningEvent):
    """Another try failed, and the next one has its date."""

    name: ClassVar = "dunning.retry.planned"

    retries_made: int
    decline_code: str
    next_retry_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderDue(DunningEvent):
    """The customer is to be reminded to fix the payment method."""

    name: ClassVar = "dunning.reminder.due"

    amount_due: Money
    reminder: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriesExhausted(DunningEvent):
    """The last try failed: the apology."""

    name: ClassVar = "dunning.retries.exhausted"

    decline_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToBlock(DunningEvent):
    """By the tenant's policy, access ends now, until what is owed is paid."""

    name: ClassVar = "dunning.access.to_block"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecovered(DunningEvent):
    """What was owed is paid: whatever was blocked for it is lifted."""

    name: ClassVar = "dunning.case.recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed(DunningEvent):
    name: ClassVar = "dunning.case.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanged(DunningEvent):
    """Anything that happened to a case, as its history has it; the history has the words with it."""

    name: ClassVar = "dunning.case.changed"

    change: str
    from_status: str | None
    to_status: str
    actor: str
    next_retry_at: datetime | None
