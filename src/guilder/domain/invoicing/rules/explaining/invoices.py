"""An invoice explained as a whole: from its lines over discounts and tax to what is to be paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from guilder.domain.invoicing.model import AppliedRate, Invoice, InvoiceKind, Status, TaxTotal
from guilder.domain.invoicing.rules.document import Speaker
from guilder.domain.invoicing.rules.explaining.lines import explain
from guilder.domain.invoicing.rules.explaining.reading import Explanation
from guilder.domain.invoicing.rules.explaining.words import phrases
from guilder.domain.invoicing.rules.taxation import as_taxed
from guilder.kernel.money import Money, total, zero

_Rate = tuple[Decimal, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxStep:
    """The tax of one rate: `exact` in minor units is the sum over its lines, of which `tax` is rounded once.

    Prices that contain tax and prices that do not are rounded once each, and what is given back brings its own tax.
    """

    percent: Decimal
    code: str
    net: Money
    exact: Fraction
    tax: Money
    legal_note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How the lines become what is to be paid; all of it net of tax up to `subtotal`."""

    before_discounts: Money
    discount: Money
    subtotal: Money
    taxes: tuple[TaxStep, ...]
    tax: Money
    total: Money
    credit_applied: Money
    paid: Money
    credited: Money
    due: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceExplanation:
    invoice: Invoice
    lines: tuple[Explanation, ...]
    walk: Walk
    sentence: str


def explain_invoice(invoice: Invoice, speaker: Speaker) -> InvoiceExplanation:
    """Say why an invoice comes to what it comes to, line by line and as a whole."""
    lines = tuple(explain(line, invoice, speaker) for line in invoice.lines)
    walk = _walk(invoice, lines)
    return InvoiceExplanation(invoice=invoice, lines=lines, walk=walk, sentence=_sentence(invoice, walk, speaker))


def _walk(invoice: Invoice, lines: Sequence[Explanation]) -> Walk:
    currency = invoice.currency
    discount = total([each.discount for each in invoice.lines if each.discount], currency)
    return Walk(
        before_discounts=invoice.subtotal + discount,
        discount=discount,
        subtotal=invoice.subtotal,
        taxes=_taxes(invoice, lines),
        tax=invoice.tax,
        total=invoice.total,
        credit_applied=invoice.credit_applied or zero(currency),
        paid=invoice.paid,
        credited=invoice.credited,
        due=zero(currency) if invoice.status is Status.VOID else invoice.due,
    )


def _taxes(invoice: Invoice, lines: Sequence[Explanation]) -> tuple[TaxStep, ...]:
    """Add up the exact taxes of the lines by rate. Of rates of one code and percentage a line says which is its own."""
    exact: dict[_Rate, Fraction] = {}
    for line in lines:
        rate = _rate(as_taxed(invoice, line.line))
        exact[rate] = exact.get(rate, Fraction(0)) + line.tax.exact
    return tuple(
        TaxStep(
            percent=each.percent,
            code=each.code,
            net=each.net,
            exact=exact.get(_rate(each), Fraction(0)),
            tax=each.tax,
            legal_note=each.legal_note,
        )
        for each in invoice.taxes
    )


def _rate(tax: AppliedRate | TaxTotal) -> _Rate:
    return tax.percent, tax.code, tax.name, tax.legal_note


def _sentence(invoice: Invoice, walk: Walk, speaker: Speaker) -> str:
    words, money = phrases(speaker.language), speaker.money
    said = [words["walk_total"].format(subtotal=money(walk.subtotal))]
    if not walk.discount.is_zero:
        said = [
            words["walk_discount"].format(
                before=money(walk.before_discounts), discount=money(walk.discount), subtotal=money(walk.subtotal)
            )
        ]
    said += [
        words["walk_tax"].format(percent=speaker.percent(each.percent / 100), net=money(each.net), tax=money(each.tax))
        for each in walk.taxes
        if not each.tax.is_zero
    ]
    said.append(words["walk_sum"].format(total=money(walk.total)))
    return " ".join([*said, *_what_remains(invoice, walk, speaker)])


def _what_remains(invoice: Invoice, walk: Walk, speaker: Speaker) -> list[str]:
    words, money = phrases(speaker.language), speaker.money
    if invoice.status is Status.VOID:
        return [words["walk_void"]]
    if invoice.kind is InvoiceKind.CREDIT_NOTE:
        return [words["walk_note"].format(amount=money(-walk.total))]
    credit, said = walk.credit_applied, []
    if credit.minor > 0:
        said.append(words["walk_credit"].format(amount=money(credit)))
    if credit.minor < 0:
        said.append(words["walk_carried"].format(amount=money(-credit)))
    if not walk.paid.is_zero:
        said.append(words["walk_paid"].format(amount=money(walk.paid)))
    if not walk.credited.is_zero:
        said.append(words["walk_credited"].format(amount=money(walk.credited)))
    due = words["walk_nothing"] if walk.due.is_zero else words["walk_due"].format(amount=money(walk.due))
    return [*said, due]
