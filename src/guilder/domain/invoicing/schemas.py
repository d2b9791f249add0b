"""What HTTP says of invoices."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from guilder.domain.catalog.rules.rating import exact_text
from guilder.domain.identity.model import Address
from guilder.domain.invoicing.model import Invoice, Line, Party, Status, TaxTotal
from guilder.domain.invoicing.rules.explaining import Explanation, InvoiceExplanation, TaxReason, Walk
from guilder.kernel.ids import CustomerId
from guilder.kernel.period import Period
from guilder.platform.http.fields import Exact, IdOf, Out

InvoiceRef = Annotated[UUID, IdOf("inv")]
LineRef = Annotated[UUID, IdOf("line")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]
OrderRef = Annotated[UUID, IdOf("ord")]
ProductRef = Annotated[UUID, IdOf("prod")]


class LineOut(Out):
    id: LineRef
    kind: str
    description: str
    quantity: int
    unit_amount: int | None
    amount: int
    tax_percent: Exact
    tax: int
    period_start: datetime | None
    period_end: datetime | None
    subscription_id: SubscriptionRef | None
    product_id: ProductRef | None


class TaxOut(Out):
    name: str
    percent: Exact
    net: int
    tax: int
    legal_note: str


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
    """An invoice. Amounts are in the currency's minor unit; `amount_due` is total less what was paid and credited."""

    id: InvoiceRef
    number: str | None
    status: Status
    customer_id: CustomerRef
    subscription_id: SubscriptionRef | None
    order_id: OrderRef | None
    currency: str
    subtotal: int
    tax: int
    total: int
    amount_paid: int
    amount_credited: int
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
    metadata: dict[str, str]
    created_at: datetime


class SpanOut(Out):
    starts_at: datetime
    ends_at: datetime


class ShareOut(Out):
    """The part of a full period that was billed, or of what was billed that is given back, in the unit it is counted in."""

    numerator: int
    denominator: int
    unit: str
    basis: str


class TakenOffOut(Out):
    """What a discount took off: `amount`, of what was left before it."""

    code: str
    name: str
    percent: Exact | None
    of: int
    amount: int


class TaxReasonOut(Out):
    """The tax of a line: exact in minor units (a fraction where no decimal can hold it), and its part of the rounded tax."""

    percent: Exact
    code: str
    exact: str
    amount: int
    is_inclusive: bool
    rounding: str


class ExplainedLineOut(Out):
    """Why a line is what it is: what went in, what was done with it, and a sentence.

    `price` is before discounts; `is_reproduced` says that `amount` follows from what is said here. `explanation` is the
    record as it was written when the line was billed.
    """

    id: LineRef
    kind: str
    rule: str
    description: str
    billed_item: str
    inputs: dict[str, Any]
    period: SpanOut | None
    full_period: SpanOut | None
    share: ShareOut | None
    tiers: list[dict[str, Any]]
    price: int
    discounts: list[TakenOffOut]
    amount: int
    tax: int
    tax_reason: TaxReasonOut
    rounding: str
    is_reproduced: bool
    sentence: str
    explanation: dict[str, Any]


class TaxStepOut(Out):
    percent: Exact
    code: str
    net: int
    exact: str
    tax: int
    legal_note: str


class WalkOut(Out):
    """From the lines to what is to be paid: net before and after discounts, tax by rate, what was paid and how."""

    before_discounts: int
    discount: int
    subtotal: int
    taxes: list[TaxStepOut]
    tax: int
    total: int
    credit_applied: int
    amount_paid: int
    amount_credited: int
    amount_due: int


class ExplanationOut(Out):
    id: InvoiceRef
    number: str | None
    kind: str
    currency: str
    language: str
    subtotal: int
    tax: int
    total: int
    lines: list[ExplainedLineOut]
    taxes: list[TaxOut]
    walk: WalkOut
    sentence: str


def to_wire(invoice: Invoice) -> InvoiceOut:
    return InvoiceOut(
        id=invoice.id,
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
        taxes=[_tax(tax) for tax in invoice.taxes],
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
        metadata=dict(invoice.metadata),
        created_at=invoice.created_at,
    )


def explained(found: InvoiceExplanation) -> ExplanationOut:
    invoice = found.invoice
    return ExplanationOut(
        id=invoice.id,
        number=invoice.number,
        kind=invoice.kind.value,
        currency=invoice.currency,
        language=invoice.language,
        subtotal=invoice.subtotal.minor,
        tax=invoice.tax.minor,
        total=invoice.total.minor,
        lines=[_explained_line(line) for line in found.lines],
        taxes=[_tax(tax) for tax in invoice.taxes],
        walk=_walk(found.walk),
        sentence=found.sentence,
    )


def _explained_line(found: Explanation) -> ExplainedLineOut:
    line, share = found.line, found.share
    return ExplainedLineOut(
        id=line.id,
        kind=line.kind.value,
        rule=found.rule,
        description=line.description,
        billed_item=line.billed_item,
        inputs=dict(found.inputs),
        period=_span(found.period),
        full_period=_span(found.full_period),
        share=ShareOut(numerator=share.numerator, denominator=share.denominator, unit=share.unit, basis=share.basis)
        if share
        else None,
        tiers=[dict(step) for step in found.tiers],
        price=found.price.minor,
        discounts=[
            TakenOffOut(
                code=each.code, name=each.name, percent=each.percent, of=each.of.minor, amount=each.amount.minor
            )
            for each in found.discounts
        ],
        amount=line.amount.minor,
        tax=line.tax.minor,
        tax_reason=_tax_reason(found.tax),
        rounding=found.rounding,
        is_reproduced=found.is_reproduced,
        sentence=found.sentence,
        explanation={name: value for name, value in line.explanation.items() if name != "sentence"},
    )


def _span(period: Period | None) -> SpanOut | None:
    return SpanOut(starts_at=period.starts_at, ends_at=period.ends_at) if period else None


def _tax_reason(tax: TaxReason) -> TaxReasonOut:
    return TaxReasonOut(
        percent=tax.percent,
        code=tax.code,
        exact=exact_text(tax.exact),
        amount=tax.amount.minor,
        is_inclusive=tax.is_inclusive,
        rounding=tax.rounding,
    )


def _walk(walk: Walk) -> WalkOut:
    return WalkOut(
        before_discounts=walk.before_discounts.minor,
        discount=walk.discount.minor,
        subtotal=walk.subtotal.minor,
        taxes=[
            TaxStepOut(
                percent=each.percent,
                code=each.code,
                net=each.net.minor,
                exact=exact_text(each.exact),
                tax=each.tax.minor,
                legal_note=each.legal_note,
            )
            for each in walk.taxes
        ],
        tax=walk.tax.minor,
        total=walk.total.minor,
        credit_applied=walk.credit_applied.minor,
        amount_paid=walk.paid.minor,
        amount_credited=walk.credited.minor,
        amount_due=walk.due.minor,
    )


def _line(line: Line) -> LineOut:
    return LineOut(
        id=line.id,
        kind=line.kind.value,
        description=line.description,
        quantity=line.quantity,
        unit_amount=line.unit_amount.minor if line.unit_amount else None,
        amount=line.amount.minor,
        tax_percent=line.tax_percent,
        tax=line.tax.minor,
        period_start=line.period.starts_at if line.period else None,
        period_end=line.period.ends_at if line.period else None,
        subscription_id=line.subscription_id,
        product_id=line.product_id,
    )


def _tax(tax: TaxTotal) -> TaxOut:
    return TaxOut(name=tax.name, percent=tax.percent, net=tax.net.minor, tax=tax.tax.minor, legal_note=tax.legal_note)


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
