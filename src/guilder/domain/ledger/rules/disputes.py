"""How disputes are booked, in plain values. The worked tables are in docs/design/disputes.md.

What a bank takes lies in `disputes` until it is decided: then it is back in cash, or lost. A loss is ours and no
change of what was sold, so revenue and tax stay: only a credit note takes them back, where the law allows it.
"""

from datetime import datetime
from uuid import UUID

from guilder.domain.ledger.model import Account, JournalEntry, Posting
from guilder.domain.ledger.rules.journal import entry_of
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money


def dispute_opened(
    *, tenant_id: TenantId, dispute_id: UUID, customer_id: CustomerId, account_id: UUID, amount: Money, at: datetime
) -> JournalEntry:
    """Book what a bank has taken out of a gateway account until it is decided."""
    return entry_of(
        "dispute_opened",
        ("dispute", dispute_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.DISPUTES, amount.minor, dispute_id),
            Posting(Account.CASH, -amount.minor, account_id),
        ],
    )


def dispute_fee(
    *, tenant_id: TenantId, dispute_id: UUID, customer_id: CustomerId, account_id: UUID, fee: Money, at: datetime
) -> JournalEntry:
    """Book what the provider takes for its trouble, in whatever currency it does, whoever wins."""
    return entry_of(
        "dispute_fee",
        ("dispute", dispute_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=fee.currency,
        at=at,
        postings=[Posting(Account.FEES, fee.minor, dispute_id), Posting(Account.CASH, -fee.minor, account_id)],
    )


def dispute_won(
    *, tenant_id: TenantId, dispute_id: UUID, customer_id: CustomerId, account_id: UUID, amount: Money, at: datetime
) -> JournalEntry:
    """Book the reverse of `dispute_opened`: the money is back."""
    return entry_of(
        "dispute_won",
        ("dispute", dispute_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.CASH, amount.minor, account_id),
            Posting(Account.DISPUTES, -amount.minor, dispute_id),
        ],
    )


def dispute_lost(
    *,
    tenant_id: TenantId,
    dispute_id: UUID,
    invoice_id: UUID,
    customer_id: CustomerId,
    account_id: UUID,
    amount: Money,
    returned: Money,
    is_overpayment: bool,
    at: datetime,
) -> JournalEntry:
    """Book what is gone as written off, and what the bank held beside it (`returned`) as back. What paid nothing goes back to
    its receivable, as its refund would have."""
    target = (
        Posting(Account.RECEIVABLE, amount.minor, invoice_id)
        if is_overpayment
        else Posting(Account.WRITE_OFFS, amount.minor, dispute_id)
    )
    return entry_of(
        "dispute_lost",
        ("dispute", dispute_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            target,
            Posting(Account.CASH, returned.minor, account_id),
            Posting(Account.DISPUTES, -(amount + returned).minor, dispute_id),
        ],
    )
