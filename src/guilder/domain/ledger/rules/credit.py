"""How credit notes and customer credit are booked, in plain values.

A credit note takes revenue and tax back (`journal.invoice_finalized`, its signs turned round), which leaves its own
receivable below zero. What it comes to goes from there to an invoice that owes less, or to the customer's credit.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from guilder.domain.ledger.model import Account, JournalEntry, Posting
from guilder.domain.ledger.rules.journal import entry_of
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money


def credit_note_applied(
    *, tenant_id: TenantId, note_id: UUID, customer_id: CustomerId, parts: Mapping[UUID, Money], at: datetime
) -> JournalEntry:
    """Book what of a credit note makes open invoices owe less: `parts`, by invoice."""
    [currency] = {part.currency for part in parts.values()}
    return entry_of(
        "credit_note_applied",
        ("invoice", note_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, sum(part.minor for part in parts.values()), note_id),
            *(Posting(Account.RECEIVABLE, -part.minor, invoice_id) for invoice_id, part in sorted(parts.items())),
        ],
    )


def credit_note_of_refund(
    *, tenant_id: TenantId, note_id: UUID, customer_id: CustomerId, amount: Money, lost: Money, at: datetime
) -> JournalEntry:
    """Book the document of what a refund gave back, or (`lost`, a part of it) a bank took for good: it is no loss any
    more, but was never owed."""
    return entry_of(
        "credit_note_of_refund",
        ("invoice", note_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, amount.minor, note_id),
            Posting(Account.REFUNDS, -(amount - lost).minor),
            Posting(Account.WRITE_OFFS, -lost.minor),
        ],
    )


def credit_granted(
    *,
    tenant_id: TenantId,
    credit_id: UUID,
    invoice_id: UUID | None,
    customer_id: CustomerId,
    amount: Money,
    at: datetime,
) -> JournalEntry:
    """Book what is owed to a customer as credit: a credit note's amount, or else a present, which costs us.

    Below zero it is what an invoice came to and was too little to collect: the customer owes it from here on, and the
    invoice no more.
    """
    source = Account.RECEIVABLE if invoice_id else Account.WRITE_OFFS
    return entry_of(
        "credit_granted",
        ("credit", credit_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(source, amount.minor, invoice_id),
            Posting(Account.CUSTOMER_CREDIT, -amount.minor, customer_id),
        ],
    )


def credit_used(
    *, tenant_id: TenantId, use_id: UUID, invoice_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book customer credit that pays an invoice."""
    return entry_of(
        "credit_used",
        ("credit_use", use_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.CUSTOMER_CREDIT, amount.minor, customer_id),
            Posting(Account.RECEIVABLE, -amount.minor, invoice_id),
        ],
    )


def credit_returned(
    *, tenant_id: TenantId, use_id: UUID, invoice_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book the reverse of `credit_used`: the invoice is void."""
    return entry_of(
        "credit_returned",
        ("credit_use", use_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, amount.minor, invoice_id),
            Posting(Account.CUSTOMER_CREDIT, -amount.minor, customer_id),
        ],
    )


def credit_paid_out(
    *, tenant_id: TenantId, use_id: UUID, refund_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book customer credit that a refund pays out: what the refund takes from the bank is no loss then."""
    return entry_of(
        "credit_paid_out",
        ("credit_use", use_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.CUSTOMER_CREDIT, amount.minor, customer_id),
            Posting(Account.REFUNDS, -amount.minor, refund_id),
        ],
    )


def credit_pay_out_failed(
    *, tenant_id: TenantId, use_id: UUID, refund_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book the reverse of `credit_paid_out`: the refund did not go through, and the customer has its credit again."""
    return entry_of(
        "credit_pay_out_failed",
        ("credit_use", use_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.REFUNDS, amount.minor, refund_id),
            Posting(Account.CUSTOMER_CREDIT, -amount.minor, customer_id),
        ],
    )
