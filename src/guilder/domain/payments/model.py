"""Moving money: methods, payments, refunds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.domain.gateways.model import Outcome, RequestKind
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money


class MethodStatus(StrEnum):
    PENDING = "pending"  # asked for; the provider has not validated it yet
    VALID = "valid"
    INVALID = "invalid"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A provider's token for a card, with what may be shown of it. The token is sealed in the store."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    gateway: str
    account_id: UUID
    status: MethodStatus
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool
    created_at: datetime
    decline_code: str = ""
    action_url: str = ""

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def business_key(self) -> str:
        return f"{self.tenant_id}:setup:{self.id}"


class Via(StrEnum):
    """How a payment is to be made."""

    SAVED = "saved"  # with a saved method, the customer absent
    LINK = "link"  # by the customer, on the checkout page
    EITHER = "either"  # with the saved method if there is one, else by link


@dataclass(frozen=True, slots=True, kw_only=True)
class Payable:
    """Something that is owed: to payments, an invoice is an id and an amount."""

    tenant_id: TenantId
    invoice_id: UUID
    customer_id: CustomerId
    amount: Money
    description: str = ""
    payment_method_id: UUID | None = None
    via: Via = Via.EITHER


class Status(StrEnum):
    AWAITING_CUSTOMER = "awaiting_customer"  # a link is open; nothing is asked of a provider before it is used
    REQUESTED = "requested"
    PREPARED = "prepared"  # the provider's object exists, its reference is stored
    REQUIRES_ACTION = "requires_action"
    UNKNOWN = "unknown"  # no answer: not failed; looked up until it is known
    CANCELING = "canceling"  # given up here, not yet known to be closed at the provider
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One attempt to collect one payable. Attempt n+1 is not made before attempt n is final at the provider."""

    tenant_id: TenantId
    id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    attempt: int
    amount: Money
    status: Status
    via: Via
    gateway: str
    account_id: UUID | None
    payment_method_id: UUID | None
    requested_at: datetime
    description: str = ""
    provider_ref: str = ""
    charge_ref: str = ""
    decline_code: str = ""
    is_hard_decline: bool = False
    brand: str = ""
    last4: str = ""
    action_url: str = ""
    settled_at: datetime | None = None
    refunded_minor: int = 0
    opened_at: datetime | None = None
    alert: str = ""  # what a person should look at; while it is unknown, it is never taken for paid
    holds_invoice: bool = True  # in flight for its invoice, or the one that paid it; there is one
    is_overpayment: bool = False  # captured beside another one, and given back
    again_via: Via | None = None  # what is to be collected once this one is known to be closed
    again_method_id: UUID | None = None
    check_due_at: datetime | None = None

    @property
    def is_asked(self) -> bool:
        """Say whether a provider may know of it: what no provider knows of can be canceled here and now."""
        return self.account_id is not None

    @property
    def refundable(self) -> Money:
        return Money(self.amount.minor - self.refunded_minor, self.amount.currency)

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def business_key(self) -> str:
        return f"{self.tenant_id}:{self.invoice_id}:{self.attempt}"


class RefundStatus(StrEnum):
    ASKED = "asked"  # by the customer; waits for staff or a policy
    REFUSED = "refused"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    tenant_id: TenantId
    id: UUID
    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    amount: Money
    status: RefundStatus
    reason: str
    asked_at: datetime
    ends_access: bool = False
    settled_at: datetime | None = None
    is_overpayment: bool = False
    decline_code: str = ""
    provider_ref: str = ""

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def business_key(self) -> str:
        return f"{self.tenant_id}:refund:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider said of something that was asked under a business key, when it was asked or by itself."""

    tenant_id: TenantId
    business_key: str
    kind: RequestKind
    outcome: Outcome
    at: datetime
    is_notice: bool = False  # told by itself: it may be old, and is not the end of an attempt that failed


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefund:
    """Asks for money back: all that is left if no amount is given."""

    payment_id: UUID
    reason: str
    amount_minor: int | None = None
    ends_access: bool = False
