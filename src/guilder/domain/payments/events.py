"""What payments announces."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event
from guilder.kernel.ids import CustomerId
from guilder.kernel.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent(Event):
    topic: ClassVar = "payments.results"

    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    attempt: int
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequested(PaymentEvent):
    """Money is to be collected with a saved method; payments itself hears it and picks method and gateway."""

    name: ClassVar = "payments.payment.requested"
    topic: ClassVar = "payments.requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSucceeded(PaymentEvent):
    name: ClassVar = "payments.payment.succeeded"

    gateway: str
    brand: str
    last4: str
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(PaymentEvent):
    """Final for this attempt. Someone may ask for another."""

    name: ClassVar = "payments.payment.failed"

    gateway: str
    decline_code: str
    is_hard: bool
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentActionRequired(PaymentEvent):
    """The customer must do something (3-D Secure) on the checkout page."""

    name: ClassVar = "payments.payment.action_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCanceled(PaymentEvent):
    name: ClassVar = "payments.payment.canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOverpaid(PaymentEvent):
    """Captured although its invoice was paid or void by then: it is given back at once, and pays nothing."""

    name: ClassVar = "payments.payment.overpaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentParked(PaymentEvent):
    """The provider answered something that cannot be, such as another amount: a person should look at it."""

    name: ClassVar = "payments.payment.parked"

    alert: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundEvent(Event):
    topic: ClassVar = "payments.results"

    refund_id: UUID
    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAsked(RefundEvent):
    name: ClassVar = "payments.refund.asked"

    reason: str
    is_granted_if_unused: bool = False  # the tenant's policy grants it, if nothing was used of what it paid for


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundProposed(RefundEvent):
    """One person of the business said yes to a refund that takes two: it waits for another one."""

    name: ClassVar = "payments.refund.proposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundProposalRefused(RefundEvent):
    """What one person of the business proposed, another one refused, or nobody granted in time."""

    name: ClassVar = "payments.refund.proposal_refused"

    reason: str
    is_expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSucceeded(RefundEvent):
    name: ClassVar = "payments.refund.succeeded"

    ends_access: bool
    settled_at: datetime
    credit_note: str = "none"  # full: a note of all that went back is to be made
    reason: str = ""
    reason_code: str = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed(RefundEvent):
    name: ClassVar = "payments.refund.failed"

    decline_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundReturned(RefundEvent):
    """A refund that had succeeded came back after all: the customer's bank did not take it. Its money is in the tenant's
    account with the provider again, and is owed to the customer, to be paid in some other way."""

    name: ClassVar = "payments.refund.returned"

    decline_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRefused(RefundEvent):
    """The tenant said no to a refund that its customer asked for."""

    name: ClassVar = "payments.refund.refused"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodEvent(Event):
    topic: ClassVar = "payment-methods.results"

    payment_method_id: UUID
    customer_id: CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodAdded(PaymentMethodEvent):
    """Validated by its provider, and ready to be charged."""

    name: ClassVar = "payments.method.added"

    brand: str
    last4: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodUpdated(PaymentMethodEvent):
    """Its bank renewed the card, or its customer paid with the renewed one: it shows another number or date."""

    name: ClassVar = "payments.method.updated"

    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodPaidWith(PaymentMethodEvent):
    """Its customer paid on a provider's page with a method that is kept already."""

    name: ClassVar = "payments.method.paid_with"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodRefused(PaymentMethodEvent):
    """It cannot be charged: it was to be added, or `was_valid`, and its provider has it no more."""

    name: ClassVar = "payments.method.refused"

    decline_code: str
    was_valid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodRemoved(PaymentMethodEvent):
    name: ClassVar = "payments.method.removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodExpiring(PaymentMethodEvent):
    """It runs out at the end of its month, and is to be charged until then: the customer should be told."""

    name: ClassVar = "payments.method.expiring"

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    days_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodDefaultChanged(PaymentMethodEvent):
    """Another method is charged from now on: chosen, or next in order, or the same card saved anew."""

    name: ClassVar = "payments.method.default_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeEvent(Event):
    """`amount` is what the bank takes of the payment. The invoice stays as it is."""

    topic: ClassVar = "payments.results"

    dispute_id: UUID
    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(DisputeEvent):
    """The money is taken until it is decided. A mere inquiry is not told of."""

    name: ClassVar = "payments.dispute.opened"

    respond_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeWon(DisputeEvent):
    name: ClassVar = "payments.dispute.won"

    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeLost(DisputeEvent):
    """The money is gone for good, and written off."""

    name: ClassVar = "payments.dispute.lost"

    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceFound(Event):
    """A provider's books and ours do not agree: a person should look at it."""

    name: ClassVar = "payments.difference.found"
    topic: ClassVar = "payments.settlements"
    key: ClassVar = "account_id"

    difference_id: UUID
    account_id: UUID
    what: str
    payment_id: UUID | None = None
