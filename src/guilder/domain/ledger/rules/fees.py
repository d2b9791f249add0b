"""What providers keep of the money that goes through them, as their own books have it."""

from datetime import datetime
from uuid import UUID

from guilder.domain.ledger.model import Account, JournalEntry, Posting
from guilder.domain.ledger.rules.journal import entry_of
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money


def gateway_fee(
    *, tenant_id: TenantId, source_id: UUID, account_id: UUID, fee: Money, at: datetime
) -> JournalEntry | None:
    """Book what the provider kept of one charge or refund; what it gave back of a fee is negative."""
    if fee.is_zero:
        return None
    return entry_of(
        "gateway_fee",
        ("book", source_id),
        tenant_id=tenant_id,
        customer_id=None,
        currency=fee.currency,
        at=at,
        postings=[Posting(Account.FEES, fee.minor, account_id), Posting(Account.CASH, -fee.minor, account_id)],
    )
