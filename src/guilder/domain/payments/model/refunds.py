"""Money given back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money


class RefundStatus(StrEnum):
    ASKED = "asked"  # by the customer: waits for staff or a policy; by staff: for a second person
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
    asked_by: str = ""  # who acted, as transactions name them
    # The first of two persons of the business who said yes; while it is `asked`, it waits for another one.
    first_by: str = ""
    first_at: datetime | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    is_proposed: bool = False  # asked for by the tenant's own people, and not by the customer

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def business_key(self) -> str:
        return f"{self.tenant_id}:refund:{self.id}"

    @property
    def is_returned(self) -> bool:
        """Say whether it came back after it had succeeded: the customer's bank did not take it, and it is owed still."""
        return self.status is RefundStatus.SUCCEEDED and bool(self.decline_code)

    @property
    def is_internal(self) -> bool:
        """Say whether the customer knows nothing of it: proposed by the business, and not granted."""
        return self.is_proposed and self.status in (RefundStatus.ASKED, RefundStatus.REFUSED)


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
class GivenBack:
    """What of an invoice's money went back, or is on its way; what paid customer credit out is not in `refunded`."""

    captured: Money
    refunded: Money
    paid_out: Money
    disputed: Money  # what banks hold, and what they took for good
    lost: Money  # of that, what they took for good
