"""Which tax a line is taxed with: by whom it is sold to, where, and what it is (see docs/design/tax.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from guilder.domain.catalog.model import TaxRate
from guilder.domain.catalog.rules.taxes import rate_for
from guilder.domain.customers.model import Customer
from guilder.domain.customers.rules import vat_ids
from guilder.domain.identity.model import Issuer
from guilder.domain.invoicing.model import AppliedRate, Invoice, Line, NewLine, TaxTotal

STANDARD, REVERSE_CHARGE, EXEMPT, NONE = "standard", "reverse_charge", "exempt", "none"
REVERSE_CHARGE_NOTE = "Reverse charge: the recipient is liable for the tax."
UNTAXED = AppliedRate(name="", percent=Decimal(0), code=NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """Who sells to whom, and when: what the tax of every line of a draft depends on."""

    seller: Issuer
    buyer: Customer
    rates: Sequence[TaxRate]
    issued_on: date


def rates_of(lines: Sequence[NewLine], sale: Sale) -> list[AppliedRate]:
    """Return what each line is taxed with. Of what is sold at once, lines of one category are taxed alike."""
    known: dict[str, AppliedRate] = {}
    rates = []
    for line in lines:
        rate = line.taxed_as or known.get(line.tax_category)
        if rate is None:
            rate = known[line.tax_category] = rate_of(line, sale)
        rates.append(rate)
    return rates


def rate_of(line: NewLine, sale: Sale) -> AppliedRate:
    """Return what a line is taxed with; what it credits decides, where it credits something."""
    if line.taxed_as is not None:
        return line.taxed_as
    if sale.buyer.is_tax_exempt:
        return AppliedRate(
            name="Exempt",
            percent=Decimal(0),
            legal_note=sale.buyer.tax_exempt_reason or "Exempt from tax.",
            code=EXEMPT,
        )
    if is_reverse_charged(sale.seller, sale.buyer):
        return AppliedRate(
            name="Reverse charge", percent=Decimal(0), legal_note=REVERSE_CHARGE_NOTE, code=REVERSE_CHARGE
        )
    # Where the buyer's country is not known, it is taken for the seller's: no tax is forgotten that way.
    at = sale.buyer.address if sale.buyer.address.country else sale.seller.address
    rate = rate_for(sale.rates, country=at.country, region=at.region, category=line.tax_category, on=sale.issued_on)
    if rate is None:
        return UNTAXED
    return AppliedRate(name=rate.name, percent=rate.percent, legal_note=rate.legal_note)


def is_reverse_charged(seller: Issuer, buyer: Customer) -> bool:
    """Say whether the buyer owes the tax: it has a valid VAT id of another member state of the EU than the seller's."""
    state = vat_ids.member_state_of(buyer.vat_id)
    return state is not None and vat_ids.is_member_state(seller.address.country) and state != seller.address.country


def as_taxed(invoice: Invoice, line: Line) -> AppliedRate:
    """Return the rate that a final line was taxed with, for what credits it."""
    named = cast("Mapping[str, object]", line.explanation.get("tax") or {}).get("rate")
    return rate_among(invoice.taxes, line.tax_percent, line.tax_code, named=named)


def rate_among(taxes: Sequence[TaxTotal], percent: Decimal, code: str, *, named: object) -> AppliedRate:
    """Return the rate of a final line: of those of its percentage on the invoice, the one that its explanation names
    (`tax.rate`). A line names none where there is but one."""
    fitting = [each for each in taxes if each.percent == percent and each.code == code]
    rate = next((each for each in fitting if named in (None, _named(each))), None)
    return AppliedRate(
        name=rate.name if rate else "", percent=percent, legal_note=rate.legal_note if rate else "", code=code
    )


def names(rates: Sequence[AppliedRate]) -> list[dict[str, str] | None]:
    """Return for each line what says which rate it is taxed with; None where its percentage says that already."""
    if all(each is rates[0] for each in rates):
        return [None] * len(rates)
    alike: dict[tuple[Decimal, str], set[AppliedRate]] = {}
    for rate in rates:
        alike.setdefault((rate.percent, rate.code), set()).add(rate)
    return [_named(each) if len(alike[each.percent, each.code]) > 1 else None for each in rates]


def _named(rate: AppliedRate | TaxTotal) -> dict[str, str]:
    return {"name": rate.name, "legal_note": rate.legal_note}
