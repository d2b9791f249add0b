"""Moving money: methods, payments, refunds, disputes, and the routes that say where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.domain.gateways.model import DisputeNews, DisputeStatus, GatewayAccount, Outcome, RequestKind
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money

MANUAL = "manual"


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
    kind: str = "card"
    label: str = ""
    position: int = 0  # after the default, the lower is tried first
    fingerprint: str = ""  # alike for one card of one account, however often it is saved
    wants_default: bool = False  # once it is valid
    replaced_by: UUID | None = None  # the same card, saved anew
    warn_due_at: datetime | None = None  # when its customer is told (again) that it runs out

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)

    @property
    def business_key(self) -> str:
        return f"{self.tenant_id}:setup:{self.id}"

    @property
    def rank(self) -> tuple[bool, int, UUID]:
        """Return what a customer's methods are tried in the order of: the default first."""
        return (not self.is_default, self.position, self.id)


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
    claim: str = ""  # what is billed, named alike by every attempt and every invoice for it


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
    disputed_minor: int = 0  # what a bank holds of it, or has taken back
    opened_at: datetime | None = None
    alert: str = ""  # what a person should look at; while it is unknown, it is never taken for paid
    holds_invoice: bool = True  # in flight for its invoice, or the one that paid it; there is one
    is_overpayment: bool = False  # captured beside another one, and given back
    again_via: Via | None = None  # what is to be collected once this one is known to be closed
    again_method_id: UUID | None = None
    check_due_at: datetime | None = None
    claim: str = ""
    route: str = ""  # the name of the route that chose its account, if one did
    label: str = ""  # of what it was paid with, where brand and last four digits do not say it

    @property
    def is_by_hand(self) -> bool:
        """Say whether its money comes as a transfer that staff records: no provider tells of it."""
        return self.gateway == MANUAL

    @property
    def is_asked(self) -> bool:
        """Say whether a provider may know of it: what no provider knows of can be canceled here and now."""
        return self.account_id is not None

    @property
    def refundable(self) -> Money:
        return Money(max(self.amount.minor - self.refunded_minor - self.disputed_minor, 0), self.amount.currency)

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)

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


class RefundReason(StrEnum):
    REQUESTED = "requested_by_customer"
    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"
    NOT_DELIVERED = "not_delivered"
    GOODWILL = "goodwill"
    CREDIT_PAID_OUT = "credit_paid_out"
    CAPTURED_TWICE = "captured_twice"
    PAID_AFTER_CANCEL = "paid_after_cancel"  # for a payment or an invoice that was canceled by then
    OTHER = "other"


class NoteWish(StrEnum):
    """Whether a refund comes with a credit note: of all that it gives back, made when it is back."""

    NONE = "none"
    FULL = "full"


class GrantedBy(StrEnum):
    NOBODY = ""
    STAFF = "staff"
    POLICY = "policy"
    SYSTEM = "system"


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
    reason_code: RefundReason = RefundReason.OTHER
    credit_note: NoteWish = NoteWish.NONE
    granted_by: GrantedBy = GrantedBy.NOBODY
    is_pay_out: bool = False  # it pays customer credit out, and takes nothing from what its invoice can give back

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
    reason_code: RefundReason = RefundReason.OTHER
    credit_note: NoteWish = NoteWish.NONE
    is_pay_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPolicy:
    """Which refunds are granted without anybody looking. Within no days: none.

    `amounts_max` bounds them by currency, where any is named; one that is not named is left to staff then.
    """

    auto_grant_days: int = 0
    amounts_max: Mapping[str, int] = field(default_factory=dict)
    per_customer_year: int | None = None
    only_unused: bool = False
    credit_note: NoteWish = NoteWish.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payment that a customer's bank takes back, as a whole or in part, or asks about (an inquiry)."""

    tenant_id: TenantId
    id: UUID
    payment_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    account_id: UUID
    gateway: str
    dispute_ref: str
    amount: Money
    status: DisputeStatus
    noticed_at: datetime
    fee: Money | None = None
    reason: str = ""
    alert: str = ""
    respond_by: datetime | None = None
    opened_at: datetime | None = None  # the money was taken then
    decided_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def payment_ref(self) -> Ref:
        return Ref(self.tenant_id, self.payment_id)

    @property
    def invoice_ref(self) -> Ref:
        return Ref(self.tenant_id, self.invoice_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNote:
    id: UUID
    dispute_id: UUID
    text: str
    author: str
    noted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeTold:
    """What a provider said of a dispute, of which account, and when we heard it."""

    tenant_id: TenantId
    account_id: UUID
    gateway: str
    news: DisputeNews
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """What of an invoice's money went back, or is on its way; what paid customer credit out is not in `refunded`."""

    captured: Money
    refunded: Money
    paid_out: Money
    disputed: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An account that a route leads to; of several, each gets its weight's share."""

    account_id: UUID
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A tenant's rule on where money is taken. What is empty fits anything; amounts are in minor units of the one
    currency that is named then, from `amount_from` up to but not including `amount_to`.
    """

    id: UUID
    name: str
    targets: tuple[Target, ...]
    is_active: bool = True
    method_kinds: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    amount_from: int | None = None
    amount_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be routed. Nothing is asked of a method's kind where the customer has yet to choose one."""

    amount: Money | None = None
    country: str = ""
    method_kind: str = ""
    account_id: UUID | None = None  # the account that is named, whatever the routes say
    is_to_save: bool = False  # a method, to be charged later


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where something may go, best first, with the route that says so and why each account is where it is."""

    accounts: tuple[GatewayAccount, ...]
    route: str = ""
    why: Mapping[UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """That a payment came to be so."""

    status: Status
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What staff saw: money that came in, or was sent back, outside of any provider."""

    happened_at: datetime
    reference: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How a customer pays by transfer: what to write where."""

    amount: Money
    reference: str
    instructions: str
