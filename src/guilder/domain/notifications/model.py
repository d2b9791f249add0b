"""What is said to customers, and whether it arrived."""

from dataclasses import dataclass, field
from datetime import date, datetime
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
    CARD_EXPIRING = "card_expiring"
    UPCOMING_RENEWAL = "upcoming_renewal"
    PAYMENT_METHOD_ADDED = "payment_method_added"
    PAYMENT_METHOD_REFUSED = "payment_method_refused"
    REFUND_ASKED = "refund_asked"
    REFUND_REFUSED = "refund_refused"
    DISPUTE_OPENED = "dispute_opened"


TO_STAFF = frozenset({Kind.DISPUTE_OPENED})  # goes to the issuer's own address; the customer is only whom it is about


class Group(StrEnum):
    """What a reader may choose of: all of a group or none of it."""

    REQUIRED = "required"  # money and access: cannot be switched off
    REMINDERS = "reminders"
    RENEWAL_NOTICES = "renewal_notices"
    USAGE_ALERTS = "usage_alerts"


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
    brand: str = ""  # of a payment method
    last4: str = ""
    payment_method_id: UUID | None = None
    expires: str = ""  # its last month: "2027-03"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """What `tell` is asked to say, on every channel that the customer has and the kind has words for."""

    tenant_id: TenantId
    customer_id: CustomerId
    kind: Kind
    cause_id: UUID
    about: About = About()
    held_until: datetime | None = None  # waits for its document, until then at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file that went along: its name, and how large it was."""

    filename: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was said, to whom; `html` is empty for an SMS."""

    recipient: str
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: tuple[Attached, ...] = ()


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
    held_until: datetime | None = None
    counted_on: date | None = None  # the day whose limit it was counted against
    provider_ref: str = ""  # of a text: what its provider calls it
    bounced_at: datetime | None = None  # when it was reported that it did not arrive

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
    provider_ref: str = ""
    refused_address: str = ""  # the address itself was refused for good: nothing more is sent there


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a customer wishes to hear of what it need not. Money and access are always told, by e-mail at least."""

    tenant_id: TenantId
    customer_id: CustomerId
    wants_reminders: bool = True
    wants_renewal_notices: bool = True
    wants_usage_alerts: bool = True
    wants_sms: bool = True

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)


class BounceKind(StrEnum):
    BOUNCE = "bounce"  # there is no such address, or it takes nothing
    COMPLAINT = "complaint"  # its owner called it spam


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """An address that nothing is sent to until it changes or somebody clears it; of it, only a digest is kept."""

    tenant_id: TenantId
    customer_id: CustomerId
    channel: Channel
    kind: BounceKind
    address_digest: bytes
    reason: str
    bounced_at: datetime

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most of something in a day and in a month (both UTC); None is no limit."""

    per_day: int | None = None
    per_month: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a tenant may send. A text counts by its segments; `cost` is in minor units of `currency`, estimated by
    `segment_price`, which is in major units: a segment may cost less than a cent."""

    tenant_id: TenantId
    emails: Ceiling = Ceiling()
    segments: Ceiling = Ceiling()
    cost: Ceiling = Ceiling()
    segment_price: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """How many e-mails, or segments of texts, went out today and this month."""

    today: int = 0
    this_month: int = 0


class EndpointKind(StrEnum):
    MAIL = "mail"
    TWILIO = "twilio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address of ours that a provider reports to, and the secret that proves it is the one."""

    tenant_id: TenantId
    id: UUID
    kind: EndpointKind
    secret: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail provider says of a message: by its Message-ID, or by its recipient alone."""

    kind: BounceKind
    recipient: str
    message_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """A tenant's own subject and text of a kind in a language, as restricted templates. A blank line parts paragraphs."""

    tenant_id: TenantId
    kind: Kind
    language: str
    subject: str
    body: str
