"""How each business fact is booked: all of the accounting policy, in plain values.

Debits are positive, credits negative. What is billed in advance is owed to the customer as service until its period is
over: it goes to deferred revenue and is recognised when the period ends.
"""

from datetime import datetime
from uuid import UUID

from guilder.domain.ledger.model import Account, JournalEntry, Posting
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money


def entry_of(
    kind: str,
    source: tuple[str, UUID],
    *,
    tenant_id: TenantId,
    customer_id: CustomerId | None,
    currency: str,
    at: datetime,
    postings: list[Posting],
) -> JournalEntry:
    return JournalEntry(
        tenant_id=tenant_id,
        kind=kind,
        source_type=source[0],
        source_id=source[1],
        customer_id=customer_id,
        currency=currency,
        posted_at=at,
        postings=tuple(posting for posting in postings if posting.amount_minor),
    )


def invoice_finalized(
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    customer_id: CustomerId,
    earned: Money,
    deferred: Money,
    tax: Money,
    at: datetime,
) -> JournalEntry | None:
    """Book what an invoice makes owed: `earned` now, `deferred` until its periods are over, and the tax.

    None where there is nothing to book.
    """
    total = earned + deferred + tax
    if earned.is_zero and deferred.is_zero and tax.is_zero:
        return None
    return entry_of(
        "invoice_finalized",
        ("invoice", invoice_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=total.currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, total.minor, invoice_id),
            Posting(Account.REVENUE, -earned.minor),
            Posting(Account.DEFERRED_REVENUE, -deferred.minor, invoice_id),
            Posting(Account.TAX_PAYABLE, -tax.minor),
        ],
    )


def invoice_voided(
    *,
    tenant_id: TenantId,
    invoice_id: UUID,
    customer_id: CustomerId,
    earned: Money,
    deferred: Money,
    tax: Money,
    at: datetime,
) -> JournalEntry | None:
    """Book the reverse of `invoice_finalized`; `deferred` is what is not recognised yet."""
    total = earned + deferred + tax
    if earned.is_zero and deferred.is_zero and tax.is_zero:
        return None
    return entry_of(
        "invoice_voided",
        ("invoice", invoice_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=total.currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, -total.minor, invoice_id),
            Posting(Account.REVENUE, earned.minor),
            Posting(Account.DEFERRED_REVENUE, deferred.minor, invoice_id),
            Posting(Account.TAX_PAYABLE, tax.minor),
        ],
    )


def revenue_recognized(
    *, tenant_id: TenantId, line_id: UUID, invoice_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book a line's service as given: its period is over."""
    return entry_of(
        "revenue_recognized",
        ("invoice_line", line_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.DEFERRED_REVENUE, amount.minor, invoice_id),
            Posting(Account.REVENUE, -amount.minor),
        ],
    )


def payment_succeeded(
    *,
    tenant_id: TenantId,
    payment_id: UUID,
    invoice_id: UUID,
    customer_id: CustomerId,
    account_id: UUID | None,
    amount: Money,
    at: datetime,
) -> JournalEntry:
    """Book money that came in through a gateway account for an invoice."""
    return entry_of(
        "payment_succeeded",
        ("payment", payment_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.CASH, amount.minor, account_id),
            Posting(Account.RECEIVABLE, -amount.minor, invoice_id),
        ],
    )


def refund_succeeded(
    *,
    tenant_id: TenantId,
    refund_id: UUID,
    customer_id: CustomerId,
    account_id: UUID | None,
    amount: Money,
    at: datetime,
) -> JournalEntry:
    """Book money given back. The invoice stays as it is: only a credit note changes what was owed."""
    return entry_of(
        "refund_succeeded",
        ("refund", refund_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.REFUNDS, amount.minor, refund_id),
            Posting(Account.CASH, -amount.minor, account_id),
        ],
    )


def overpayment_returned(
    *,
    tenant_id: TenantId,
    refund_id: UUID,
    invoice_id: UUID,
    customer_id: CustomerId,
    account_id: UUID | None,
    amount: Money,
    at: datetime,
) -> JournalEntry:
    """Book the return of a second payment of one invoice: its receivable went below zero, and comes back to it."""
    return entry_of(
        "overpayment_returned",
        ("refund", refund_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, amount.minor, invoice_id),
            Posting(Account.CASH, -amount.minor, account_id),
        ],
    )


def invoice_given_up(
    *, tenant_id: TenantId, invoice_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book what is not expected to come in any more."""
    return entry_of(
        "invoice_given_up",
        ("invoice", invoice_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.WRITE_OFFS, amount.minor),
            Posting(Account.RECEIVABLE, -amount.minor, invoice_id),
        ],
    )


def written_off_after_all_paid(
    *,
    tenant_id: TenantId,
    paid_by: tuple[str, UUID],
    invoice_id: UUID,
    customer_id: CustomerId,
    amount: Money,
    at: datetime,
) -> JournalEntry:
    """Take a write-off back, as far as it was paid after all: by a `payment`, or a `credit_use`."""
    return entry_of(
        "write_off_reversed",
        paid_by,
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.RECEIVABLE, amount.minor, invoice_id),
            Posting(Account.WRITE_OFFS, -amount.minor),
        ],
    )


def prepaid_bought(
    *, tenant_id: TenantId, grant_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book prepaid credits that are sold as owed: the invoice that sold them counted them as earned."""
    return entry_of(
        "prepaid_bought",
        ("prepaid_grant", grant_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.REVENUE, amount.minor),
            Posting(Account.DEFERRED_REVENUE, -amount.minor, grant_id),
        ],
    )


def prepaid_drawn(
    *, tenant_id: TenantId, use_id: UUID, grant_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book what use drew of prepaid credits that were bought as earned."""
    return entry_of(
        "prepaid_drawn",
        ("prepaid_use", use_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.DEFERRED_REVENUE, amount.minor, grant_id),
            Posting(Account.REVENUE, -amount.minor),
        ],
    )


def prepaid_returned(
    *, tenant_id: TenantId, use_id: UUID, grant_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book the reverse of `prepaid_drawn`: the invoice that drew it is void."""
    return entry_of(
        "prepaid_returned",
        ("prepaid_use", use_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.REVENUE, amount.minor),
            Posting(Account.DEFERRED_REVENUE, -amount.minor, grant_id),
        ],
    )


def prepaid_taken_back(
    *,
    tenant_id: TenantId,
    grant_id: UUID,
    cause: tuple[str, UUID],
    customer_id: CustomerId,
    amount: Money,
    at: datetime,
) -> JournalEntry:
    """Book what a credit note, or a lost dispute, took back of prepaid credits as not owed: the note took it out of what is
    earned; what a bank took is written off instead."""
    return entry_of(
        "prepaid_taken_back",
        cause,
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.DEFERRED_REVENUE, amount.minor, grant_id),
            Posting(Account.REVENUE, -amount.minor),
        ],
    )


def prepaid_ended(
    *, tenant_id: TenantId, grant_id: UUID, customer_id: CustomerId, amount: Money, at: datetime
) -> JournalEntry:
    """Book as earned what nobody will draw any more of prepaid credits that were bought."""
    return entry_of(
        "prepaid_ended",
        ("prepaid_grant", grant_id),
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=amount.currency,
        at=at,
        postings=[
            Posting(Account.DEFERRED_REVENUE, amount.minor, grant_id),
            Posting(Account.REVENUE, -amount.minor),
        ],
    )
