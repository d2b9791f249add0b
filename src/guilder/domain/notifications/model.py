"""What is said to customers, and whether it arrived."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Status(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    KEPT = "kept"  # in the local mailbox only: a sandbox's, or no server is configured
    DROPPED = "dropped"  # no longer true when its turn came, or its reader is no more


class Kind(StrEnum):
    """What can be said. Each has its words in templates/."""

    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_ACTION_REQUIRED = "payment_action_required"
    PAYMENT_REMINDER = "payment_reminder"
    APOLOGY = "apology"
    ACCESS_RESTORED = "access_restored"
    SUBSCRIPTION_ACTIVATED = "subscription_activated"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"
    TRIAL_ENDING = "trial_ending"
    REFUND_SUCCEEDED = "refund_succeeded"
    INVOICE_SENT = "invoice_sent"
    INVOICE_DUE_SOON = "invoice_due_soon"
    INVOICE_OVERDUE = "invoice_overdue"
    CREDIT_NOTE_ISSUED = "credit_note_issued"
    USAGE_ALERT = "usage_alert"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    SUBSCRIPTION_RESUMED = "subscription_resumed"
    TRIAL_EXTENDED = "trial_extended"
    CHANGE_PLANNED = "change_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a message is about, by ids and values. `at` is the instant that its kind speaks of: a retry, an end; `since`
    is when something began: a pause, the window of an alert."""

    invoice_id: UUID | None = None
    subscription_id: UUID | None = None
    amount: Money | None = None
    at: datetime | None = None
    since: datetime | None = None
    corrects_invoice_id: UUID | None = None  # of a credit note
    credited: Money | None = None  # what of `amount` became customer credit
    meter: str = ""  # its code
    quantity: Decimal | None = None
    threshold: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """What `tell` is asked to say, on every channel that the customer has and the kind has words for."""

    tenant_id: TenantId
    customer_id: CustomerId
    kind: Kind
    cause_id: UUID
    about: About = About()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was said, to whom; `html` is empty for an SMS."""

    recipient: str
    subject: str = ""
    text: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one customer on one channel, about one cause. The cause is told of once a channel.

    `content` is None until it was written, and again once its customer was erased.
    """

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    channel: Channel
    kind: Kind
    status: Status
    cause_id: UUID
    about: About
    language: str
    created_at: datetime
    sent_at: datetime | None = None
    detail: str = ""
    content: Content | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What came of a message: `status` SENT, KEPT, FAILED or DROPPED; the content if it was written."""

    ref: Ref
    status: Status
    content: Content | None = None
    detail: str = ""
