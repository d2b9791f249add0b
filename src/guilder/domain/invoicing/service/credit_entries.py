"""Customer credit in the books: granted, used for an invoice, and returned when that is void."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from guilder.domain.invoicing.model import Credit
from guilder.domain.invoicing.store.crediting import CreditUse
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import credit as journal
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money


class _Used(TypedDict):
    tenant_id: TenantId
    use_id: UUID
    invoice_id: UUID
    customer_id: CustomerId
    amount: Money


def granted(credit: Credit, *, at: datetime) -> JournalEntry:
    return journal.credit_granted(
        tenant_id=credit.tenant_id,
        credit_id=credit.id,
        invoice_id=credit.source_invoice_id,
        customer_id=credit.customer_id,
        amount=credit.amount,
        at=at,
    )


def used(use: CreditUse, *, at: datetime) -> JournalEntry:
    return journal.credit_used(**_used(use), at=at)


def returned(use: CreditUse, *, at: datetime) -> JournalEntry:
    return journal.credit_returned(**_used(use), at=at)


def _used(use: CreditUse) -> _Used:
    assert use.invoice_id is not None, use
    return _Used(
        tenant_id=use.tenant_id,
        use_id=use.id,
        invoice_id=use.invoice_id,
        customer_id=use.customer_id,
        amount=use.amount,
    )
