"""Double entry: every movement of value, balanced, for ever."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from guilder.kernel.ids import CustomerId, TenantId


class Account(StrEnum):
    RECEIVABLE = "receivable"  # by invoice
    CASH = "cash"  # by gateway account
    FEES = "fees"
    REVENUE = "revenue"
    DEFERRED_REVENUE = "deferred_revenue"
    TAX_PAYABLE = "tax_payable"
    CUSTOMER_CREDIT = "customer_credit"  # by customer
    REFUNDS = "refunds"
    WRITE_OFFS = "write_offs"
    DISPUTES = "disputes"


class Posting(Struct, frozen=True):
    """One side: debits are positive, credits negative, in minor units."""

    account: Account
    amount_minor: int
    ref_id: UUID | None = None


class JournalEntry(Struct, frozen=True, kw_only=True):
    """One fact's postings in one currency; they add up to nothing. (kind, source_id) is posted once."""

    tenant_id: TenantId
    kind: str
    source_type: str
    source_id: UUID
    customer_id: CustomerId | None
    currency: str
    posted_at: datetime
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        assert len(self.postings) >= 2, self
        assert sum(posting.amount_minor for posting in self.postings) == 0, self


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    tenant_id: TenantId
    account: Account
    currency: str
    amount_minor: int
