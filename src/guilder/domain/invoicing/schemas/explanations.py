"""What HTTP says of why an invoice is what it is."""

from datetime import datetime
from typing import Any

from guilder.domain.catalog.rules.rating import exact_text
from guilder.domain.invoicing.rules.explaining import Explanation, InvoiceExplanation, TaxReason, Walk
from guilder.domain.invoicing.schemas.invoices import InvoiceRef, LineRef, TaxOut, tax_to_wire
from guilder.kernel.period import Period
from guilder.platform.http.fields import Exact, Out


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
        taxes=[tax_to_wire(tax) for tax in invoice.taxes],
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
