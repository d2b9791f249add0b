"""Attempts to collect what is owed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from guilder.domain.gateways.model import Outcome, RequestKind
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money

MANUAL = "manual"


class Via(StrEnum):
    """How a payment is to be made."""

    SAVED = "saved"  # with a saved method, the customer absent
    LINK = "link"  # by the customer, on the checkout page
    EITHER = "either"  # with the saved method if there is one, else by link


class Payable(Struct, frozen=True, kw_only=True):
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


class Payment(Struct, frozen=True, kw_only=True):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """That a payment came to be so."""

    status: Status
    at: datetime


class Answer(Struct, frozen=True, kw_only=True):
    """What a provider said of something that was asked under a business key, when it was asked or by itself."""

    tenant_id: TenantId
    business_key: str
    kind: RequestKind
    outcome: Outcome
    at: datetime
    is_notice: bool = False  # told by itself: it may be old, and is not the end of an attempt that failed


class Receipt(Struct, frozen=True, kw_only=True):
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
