"""What is said of invoices once they are made: to those who collect them, and to whoever listens."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from guilder.domain.invoicing.events import CreditGranted, CreditNoteIssued, InvoiceEvent, InvoiceFinalized, InvoicePaid
from guilder.domain.invoicing.model import Credit, Invoice, InvoiceKind, LineKind
from guilder.domain.payments.model import Payable, Via
from guilder.kernel.ids import Ref
from guilder.kernel.money import zero
from guilder.kernel.noun import replace

E = TypeVar("E", bound=InvoiceEvent)


def subscriptions_of(invoices: Sequence[Invoice]) -> list[Ref]:
    """Return every subscription that these invoices bill; credit notes bill none."""
    return sorted(
        {
            Ref(each.tenant_id, subscription_id)
            for each in invoices
            if each.kind is InvoiceKind.INVOICE
            for subscription_id in each.subscription_ids
        }
    )


def payable_of(invoice: Invoice, *, via: Via, payment_method_id: UUID | None = None) -> Payable:
    """Return what is to be collected for an invoice as it stands."""
    return Payable(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=invoice.due,
        description=invoice.lines[0].description[:200],
        payment_method_id=payment_method_id,
        via=via,
        claim=claim_of(invoice),
    )


def claim_of(invoice: Invoice) -> str:
    """Name what an invoice bills, alike for every invoice that ever bills the same: a restored database's, too."""
    items = sorted(line.billed_item for line in invoice.lines if line.billed_item)
    return hashlib.sha256("\n".join(items).encode()).hexdigest()[:40] if items else ""


def event(kind: Callable[..., E], invoice: Invoice, **more: Any) -> E:
    """Tell of an invoice what every event of one says, and what this kind says beside it."""
    return kind(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        subscription_ids=invoice.subscription_ids,
        order_id=invoice.order_id,
        number=invoice.number or "",
        total=invoice.total,
        **more,
    )


def finalized_event(invoice: Invoice) -> InvoiceFinalized:
    assert invoice.number is not None
    return event(InvoiceFinalized, invoice, due_at=invoice.due_at)


def paid_event(invoice: Invoice) -> InvoicePaid:
    assert invoice.number is not None
    assert invoice.paid_at is not None
    products = tuple(line.product_id for line in invoice.lines if line.kind is LineKind.PRODUCT and line.product_id)
    return event(InvoicePaid, invoice, paid_at=invoice.paid_at, product_ids=products)


def note_event(note: Invoice, *, credited_minor: int) -> CreditNoteIssued:
    assert note.number is not None
    return event(
        CreditNoteIssued,
        note,
        corrects_invoice_id=note.corrects_invoice_id,
        credited=replace(zero(note.currency), minor=credited_minor),
    )


def granted_event(credit: Credit) -> CreditGranted:
    return CreditGranted(
        tenant_id=credit.tenant_id,
        credit_id=credit.id,
        customer_id=credit.customer_id,
        amount=credit.amount,
        reason=credit.reason,
    )
