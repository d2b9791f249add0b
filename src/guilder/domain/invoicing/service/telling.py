"""What is said of invoices once they are made: to those who collect them, and to whoever listens."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from guilder.domain.invoicing.events import CreditGranted, CreditNoteIssued, InvoiceFinalized, InvoicePaid
from guilder.domain.invoicing.model import Credit, Invoice, InvoiceKind, LineKind
from guilder.domain.payments.model import Payable, Via
from guilder.kernel.ids import Ref
from guilder.kernel.money import zero


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


def payable_of(invoice: Invoice, *, via: Via, payment_method_id: UUID | None) -> Payable:
    """Return what is to be collected for an invoice as it stands."""
    return Payable(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=invoice.due,
        description=invoice.lines[0].description[:200],
        payment_method_id=payment_method_id,
        via=via,
    )


def finalized_event(invoice: Invoice) -> InvoiceFinalized:
    assert invoice.number is not None
    return InvoiceFinalized(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        subscription_ids=invoice.subscription_ids,
        order_id=invoice.order_id,
        number=invoice.number,
        total=invoice.total,
        due_at=invoice.due_at,
    )


def paid_event(invoice: Invoice) -> InvoicePaid:
    assert invoice.number is not None
    assert invoice.paid_at is not None
    return InvoicePaid(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        subscription_ids=invoice.subscription_ids,
        order_id=invoice.order_id,
        number=invoice.number,
        total=invoice.total,
        paid_at=invoice.paid_at,
        product_ids=tuple(
            line.product_id for line in invoice.lines if line.kind is LineKind.PRODUCT and line.product_id
        ),
    )


def note_event(note: Invoice, *, credited_minor: int) -> CreditNoteIssued:
    assert note.number is not None
    return CreditNoteIssued(
        tenant_id=note.tenant_id,
        invoice_id=note.id,
        customer_id=note.customer_id,
        subscription_id=note.subscription_id,
        subscription_ids=note.subscription_ids,
        order_id=note.order_id,
        number=note.number,
        total=note.total,
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
