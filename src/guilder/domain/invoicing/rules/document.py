"""The document that an invoice is sent as: its nouns, and the strings that the template prints.

Everything is decided before it gets here; `to_data` only names and formats. It speaks through a `Speaker`, which knows
how a language writes amounts and dates, and takes its words from `wording`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from guilder.domain.invoicing.rules.wording import WORDS, primary_language
from guilder.kernel.money import Money


class Kind(StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Standing(StrEnum):
    """What the reader must know of the document at a glance."""

    DRAFT = "draft"
    DUE = "due"
    PAID = "paid"
    VOID = "void"


class Speaker(Protocol):
    """How a language writes values. Spans of days include both ends."""

    @property
    def language(self) -> str: ...
    def money(self, money: Money) -> str: ...
    def price(self, price: Decimal, currency: str) -> str: ...
    def number(self, number: Decimal) -> str: ...
    def percent(self, rate: Decimal) -> str: ...
    def country(self, code: str) -> str: ...
    def day(self, day: date) -> str: ...
    def days(self, first: date, last: date) -> str: ...


@dataclass(frozen=True, slots=True)
class Days:
    """From `starts_on`, up to but not including `ends_on`; printed with the last day that is included."""

    starts_on: date
    ends_on: date


@dataclass(frozen=True, slots=True)
class Party:
    """An issuer or a customer, as the law wants it named; `country` by its code, which is written out in the reader's language."""

    name: str
    address: tuple[str, ...] = ()
    tax_id: str = ""
    registration: str = ""
    email: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line; `unit_price` in major units, `tax_rate` where 0.19 is 19 %, `details` such as the walk over the tiers."""

    description: str
    amount: Money
    period: Days | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    tax_rate: Decimal | None = None
    details: tuple[str, ...] = ()
    discount: Money | None = None  # what of the amount is taken off under the lines


@dataclass(frozen=True, slots=True)
class TaxLine:
    name: str
    rate: Decimal
    base: Money
    amount: Money


@dataclass(frozen=True, slots=True)
class PaymentMade:
    """A payment received, and what the reader calls the card that it was made with ("Visa •••• 4242")."""

    paid_on: date
    amount: Money
    card: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """Everything that is printed. `logo_svg` a checked drawing; `accent` is "#rrggbb"; `paid` and `credit_applied` are positive."""

    kind: Kind
    standing: Standing
    number: str
    issued_on: date
    issuer: Party
    customer: Party
    lines: tuple[DocumentLine, ...]
    subtotal: Money
    total: Money
    amount_due: Money
    due_on: date | None = None
    period: Days | None = None
    discounts: tuple[tuple[str, Money], ...] = ()
    net: Money | None = None
    taxes: tuple[TaxLine, ...] = ()
    credit_applied: Money | None = None  # below zero: owed from earlier invoices
    credited: Money | None = None  # by credit notes
    has_prices_with_tax: bool = False
    payments: tuple[PaymentMade, ...] = ()
    reference: str = ""
    corrects_number: str = ""
    is_reverse_charge: bool = False
    notes: tuple[str, ...] = ()
    footer: str = ""
    pay_url: str = ""
    logo_svg: str = ""
    accent: str = "#1f2937"


def to_data(document: InvoiceDocument, speaker: Speaker) -> dict[str, object]:
    """Return what the template prints: strings, and lists of them, in the speaker's language."""
    language = primary_language(speaker.language)
    words = WORDS[language]
    return {
        "language": language,
        "words": words,
        "title": words[document.kind],
        "number": document.number,
        "standing": document.standing,
        "badge": _badge(document, speaker, words),
        "accent": document.accent,
        "logo_svg": document.logo_svg,
        "issuer": _party(document.issuer, speaker, words),
        "customer": _party(document.customer, speaker, words),
        "facts": _facts(document, speaker, words),
        "lines": [_line(line, document.total.currency, speaker, words) for line in document.lines],
        "totals": _totals(document, speaker, words),
        "headline": _headline(document, speaker, words),
        "due": _due(document, speaker, words),
        "payments": [_payment(payment, speaker) for payment in document.payments],
        "notes": _notes(document, words),
        "footer": document.footer,
        "pay_url": document.pay_url if document.standing is Standing.DUE else "",
    }


def _notes(document: InvoiceDocument, words: Mapping[str, str]) -> list[str]:
    said = [(words["reverse_charge"], document.is_reverse_charge)]
    said += [(words["prices_include_tax"], document.has_prices_with_tax)]
    return [*(text for text, is_so in said if is_so), *document.notes]


def _headline(document: InvoiceDocument, speaker: Speaker, words: Mapping[str, str]) -> dict[str, str]:
    """Choose the one amount that is said large: what is due, or else what the document came to."""
    if document.standing is Standing.DUE and document.kind is Kind.INVOICE:
        return {"label": words["amount_due"], "amount": speaker.money(document.amount_due)}
    return {"label": words["total"], "amount": speaker.money(document.total)}


def _due(document: InvoiceDocument, speaker: Speaker, words: Mapping[str, str]) -> dict[str, str]:
    if document.kind is Kind.CREDIT_NOTE:  # nothing is ever due on one
        return {"label": "", "amount": ""}
    return {"label": words["amount_due"], "amount": speaker.money(document.amount_due)}


def _badge(document: InvoiceDocument, speaker: Speaker, words: Mapping[str, str]) -> dict[str, str]:
    match document.standing:
        case Standing.PAID:
            last = max(document.payments, key=lambda payment: payment.paid_on, default=None)
            return {"label": words["paid"], "detail": _payment(last, speaker)["text"] if last else ""}
        case Standing.VOID | Standing.DRAFT:
            return {"label": words[document.standing], "detail": ""}
        case Standing.DUE:
            return {"label": "", "detail": ""}


def _payment(payment: PaymentMade, speaker: Speaker) -> dict[str, str]:
    day = speaker.day(payment.paid_on)
    return {"text": f"{day} · {payment.card}" if payment.card else day, "amount": speaker.money(payment.amount)}


def _party(party: Party, speaker: Speaker, words: Mapping[str, str]) -> dict[str, object]:
    country = speaker.country(party.country) if party.country else ""
    labelled = [(words["tax_id"], party.tax_id), (words["registration"], party.registration)]
    ids = [f"{label}: {value}" for label, value in labelled if value]
    return {"name": party.name, "lines": [*party.address, *filter(None, (country, party.email)), *ids]}


def _facts(document: InvoiceDocument, speaker: Speaker, words: Mapping[str, str]) -> list[list[str]]:
    facts = [
        (words["number"], document.number),
        (words["issued"], speaker.day(document.issued_on)),
        (words["due"], speaker.day(document.due_on) if document.due_on else ""),
        (words["period"], _days(document.period, speaker)),
        (words["corrects"], document.corrects_number),
        (words["reference"], document.reference),
    ]
    return [[label, value] for label, value in facts if value]


def _days(days: Days | None, speaker: Speaker) -> str:
    if days is None:
        return ""
    last = max(days.starts_on, days.ends_on - timedelta(days=1))
    return speaker.day(last) if last == days.starts_on else speaker.days(days.starts_on, last)


def _line(line: DocumentLine, currency: str, speaker: Speaker, words: Mapping[str, str]) -> dict[str, object]:
    off = f"{words['discount']}: {speaker.money(-line.discount)}" if line.discount else ""
    return {
        "description": line.description,
        "details": [each for each in (_days(line.period, speaker), *line.details, off) if each],
        "quantity": "" if line.quantity is None else speaker.number(line.quantity),
        "unit_price": "" if line.unit_price is None else speaker.price(line.unit_price, currency),
        "tax": "" if line.tax_rate is None else speaker.percent(line.tax_rate),
        "amount": speaker.money(line.amount),
    }


def _totals(document: InvoiceDocument, speaker: Speaker, words: Mapping[str, str]) -> list[dict[str, object]]:
    """List the rows under the lines, the total among them and marked; what is due comes after them."""
    plain = [(words["subtotal"], speaker.money(document.subtotal))]
    plain += [(name or words["discount"], speaker.money(-amount)) for name, amount in document.discounts]
    if document.net is not None and document.net != document.subtotal:
        plain.append((words["total_excluding_tax"], speaker.money(document.net)))
    plain += [
        (
            f"{tax.name or words['tax']} {speaker.percent(tax.rate)} ({speaker.money(tax.base)})",
            speaker.money(tax.amount),
        )
        for tax in document.taxes
    ]
    is_carried = document.credit_applied is not None and document.credit_applied.minor < 0
    after = [(words["carried_forward" if is_carried else "credit_applied"], document.credit_applied)]
    after += [(words["credit_note"], document.credited)]
    after += [(words["amount_paid"], payment.amount) for payment in document.payments]
    return [
        *({"label": label, "amount": amount, "is_total": False} for label, amount in plain),
        {"label": words["total"], "amount": speaker.money(document.total), "is_total": True},
        *(
            {"label": label, "amount": speaker.money(-amount), "is_total": False}
            for label, amount in after
            if amount is not None and not amount.is_zero
        ),
    ]
