"""What HTTP says of invoices."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.identity.model import Address
from guilder.domain.invoicing.model import Invoice, InvoiceKind, Line, Party, Status, TaxTotal
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import Exact, IdOf, Out, Text

InvoiceRef = Annotated[UUID, IdOf("inv")]
LineRef = Annotated[UUID, IdOf("line")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
CustomerName = Annotated[str, Text(255), Field(description="A customer's id, or what your product calls it.")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]
IssuerRef = Annotated[UUID, IdOf("iss")]
OrderRef = Annotated[UUID, IdOf("ord")]
ProductRef = Annotated[UUID, IdOf("prod")]


class LineOut(Out):
    id: LineRef
    kind: str
    description: str
    quantity: Annotated[int | Exact, Field(description="A number, or text where it is not whole.")]
    unit_amount: int | None
    amount: Annotated[int, Field(description="Net: after discounts, before tax.")]
    discount: int
    tax_percent: Exact
    tax: int
    period_start: datetime | None
    period_end: datetime | None
    subscription_id: SubscriptionRef | None
    product_id: ProductRef | None
    charge: str
    credits_line_id: LineRef | None
    tax_code: str


class TaxOut(Out):
    name: str
    percent: Exact
    net: int
    tax: int
    legal_note: str
    code: str


class AddressOut(Out):
    line1: str
    line2: str
    city: str
    postal_code: str
    region: str
    country: str


class PartyOut(Out):
    name: str
    address: AddressOut
    vat_id: str
    registration: str
    email: str


class InvoiceOut(Out):
    """An invoice, or a credit note, whose amounts are negative. Amounts are in the currency's minor unit.

    `amount_due` is the total less what was paid, credited by credit notes, and paid by customer credit. What was applied
    is below zero where earlier invoices that were too small to collect are collected with this one.
    """

    id: InvoiceRef
    kind: InvoiceKind
    number: str | None
    status: Status
    customer_id: CustomerRef
    subscription_id: SubscriptionRef | None
    order_id: OrderRef | None
    currency: str
    issuer_id: IssuerRef | None
    corrects_invoice_id: InvoiceRef | None
    is_sent: bool
    memo: str
    discount: int
    subtotal: int
    tax: int
    total: int
    amount_paid: int
    amount_credited: int
    amount_credit_applied: int
    amount_refunded: int
    amount_due: int
    lines: list[LineOut]
    taxes: list[TaxOut]
    seller: PartyOut | None
    buyer: PartyOut | None
    language: str
    issued_at: datetime
    issued_on: date
    due_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    has_pdf: bool
    retention_until: Annotated[date | None, Field(description="The first day on which the law lets it be forgotten.")]
    is_forgotten: Annotated[bool, Field(description="It was: nobody knows any more whom it was for.")]
    metadata: dict[str, str]
    created_at: datetime


def to_wire(invoice: Invoice) -> InvoiceOut:
    return InvoiceOut(
        id=invoice.id,
        kind=invoice.kind,
        issuer_id=invoice.issuer_id,
        corrects_invoice_id=invoice.corrects_invoice_id,
        is_sent=invoice.is_sent,
        memo=invoice.memo,
        discount=invoice.discount.minor if invoice.discount else 0,
        amount_credit_applied=invoice.credit_applied.minor if invoice.credit_applied else 0,
        number=invoice.number,
        status=invoice.status,
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        order_id=invoice.order_id,
        currency=invoice.currency,
        subtotal=invoice.subtotal.minor,
        tax=invoice.tax.minor,
        total=invoice.total.minor,
        amount_paid=invoice.paid.minor,
        amount_credited=invoice.credited.minor,
        amount_refunded=invoice.refunded.minor,
        amount_due=0 if invoice.status is Status.VOID else invoice.due.minor,
        lines=[_line(line) for line in invoice.lines],
        taxes=[tax_to_wire(tax) for tax in invoice.taxes],
        seller=_party(invoice.seller),
        buyer=_party(invoice.buyer),
        language=invoice.language,
        issued_at=invoice.issued_at,
        issued_on=invoice.issued_on,
        due_at=invoice.due_at,
        finalized_at=invoice.finalized_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
        has_pdf=invoice.has_document,
        retention_until=invoice.retention_until,
        is_forgotten=invoice.is_forgotten,
        metadata=dict(invoice.metadata),
        created_at=invoice.created_at,
    )


def _line(line: Line) -> LineOut:
    return LineOut(
        id=line.id,
        kind=line.kind.value,
        description=line.description,
        quantity=int(line.quantity) if line.quantity == int(line.quantity) else line.quantity,
        discount=line.discount.minor if line.discount else 0,
        charge=line.charge,
        credits_line_id=line.credits_line_id,
        tax_code=line.tax_code,
        unit_amount=line.unit_amount.minor if line.unit_amount else None,
        amount=line.amount.minor,
        tax_percent=line.tax_percent,
        tax=line.tax.minor,
        period_start=line.period.starts_at if line.period else None,
        period_end=line.period.ends_at if line.period else None,
        subscription_id=line.subscription_id,
        product_id=line.product_id,
    )


def tax_to_wire(tax: TaxTotal) -> TaxOut:
    return TaxOut(
        name=tax.name,
        percent=tax.percent,
        net=tax.net.minor,
        tax=tax.tax.minor,
        legal_note=tax.legal_note,
        code=tax.code,
    )


def _party(party: Party | None) -> PartyOut | None:
    if party is None:
        return None
    return PartyOut(
        name=party.name,
        address=_address(party.address),
        vat_id=party.vat_id,
        registration=party.registration,
        email=party.email,
    )


def _address(address: Address) -> AddressOut:
    return AddressOut(
        line1=address.line1,
        line2=address.line2,
        city=address.city,
        postal_code=address.postal_code,
        region=address.region,
        country=address.country,
    )
