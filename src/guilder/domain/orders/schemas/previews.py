"""What would be: invoices and credit notes that nobody has made."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line, Status
from guilder.domain.invoicing.schemas.invoices import TaxOut, tax_to_wire
from guilder.domain.orders.model import Preview
from guilder.domain.orders.schemas.fields import SubscriptionRef
from guilder.domain.subscriptions.schemas import SubscriptionOut, subscription_to_wire
from guilder.platform.http.fields import Exact, Out


class PreviewedLineOut(Out):
    kind: str
    description: str
    quantity: Annotated[int | Exact, Field(description="A number, or text where it is not whole.")]
    unit_amount: int | None
    amount: int
    discount: int
    tax_percent: Exact
    tax: int
    period_start: datetime | None
    period_end: datetime | None
    subscription_id: SubscriptionRef | None
    charge: str
    tax_code: str
    sentence: str | None


class PreviewedInvoiceOut(Out):
    """An invoice as it would be made. It has no id and no number: those are given when it is."""

    kind: InvoiceKind
    status: Status
    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int
    amount_credit_applied: int
    amount_due: int
    lines: list[PreviewedLineOut]
    taxes: list[TaxOut]
    issued_at: datetime
    due_at: datetime


class PreviewOut(Out):
    """What would be made, in order, what would be due at once, and the subscription as it would be."""

    invoices: list[PreviewedInvoiceOut]
    credit_notes: list[PreviewedInvoiceOut]
    amount_due: int
    currency: str | None
    subscription: SubscriptionOut | None


def preview_to_wire(preview: Preview) -> PreviewOut:
    due = preview.due
    notes = [each for each in preview.invoices if each.kind is InvoiceKind.CREDIT_NOTE]
    return PreviewOut(
        invoices=[_invoice(each) for each in preview.invoices if each.kind is InvoiceKind.INVOICE],
        credit_notes=[_invoice(each) for each in notes],
        amount_due=due.minor if due else 0,
        currency=due.currency if due else None,
        subscription=subscription_to_wire(preview.subscription) if preview.subscription else None,
    )


def _invoice(invoice: Invoice) -> PreviewedInvoiceOut:
    return PreviewedInvoiceOut(
        kind=invoice.kind,
        status=invoice.status,
        currency=invoice.currency,
        subtotal=invoice.subtotal.minor,
        discount=invoice.discount.minor if invoice.discount else 0,
        tax=invoice.tax.minor,
        total=invoice.total.minor,
        amount_credit_applied=invoice.credit_applied.minor if invoice.credit_applied else 0,
        amount_due=invoice.due.minor,
        lines=[_line(line) for line in invoice.lines],
        taxes=[tax_to_wire(tax) for tax in invoice.taxes],
        issued_at=invoice.issued_at,
        due_at=invoice.due_at,
    )


def _line(line: Line) -> PreviewedLineOut:
    sentence = line.explanation.get("sentence")
    return PreviewedLineOut(
        kind=line.kind.value,
        description=line.description,
        quantity=int(line.quantity) if line.quantity == int(line.quantity) else line.quantity,
        unit_amount=line.unit_amount.minor if line.unit_amount else None,
        amount=line.amount.minor,
        discount=line.discount.minor if line.discount else 0,
        tax_percent=line.tax_percent,
        tax=line.tax.minor,
        period_start=line.period.starts_at if line.period else None,
        period_end=line.period.ends_at if line.period else None,
        subscription_id=line.subscription_id,
        charge=line.charge,
        tax_code=line.tax_code,
        sentence=str(sentence) if sentence else None,
    )
