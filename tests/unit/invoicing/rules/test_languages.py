"""What an invoice's amounts, dates and words look like in each of the ten languages."""

from datetime import date
from decimal import Decimal

import pytest

from guilder.domain.invoicing.rules.document import (
    DocumentLine,
    InvoiceDocument,
    Kind,
    Party,
    Standing,
    TaxLine,
    to_data,
)
from guilder.domain.invoicing.rules.wording import WORDS
from guilder.kernel.money import Money
from guilder.platform.words import Speech

SPACES = str.maketrans({"\u00a0": " ", "\u202f": " "})


def eur(minor):
    return Money(minor, "EUR")


DOCUMENT = InvoiceDocument(
    kind=Kind.CREDIT_NOTE,
    standing=Standing.DUE,
    number="CN-1",
    corrects_number="INV-7",
    issued_on=date(2026, 3, 9),
    issuer=Party("Acme"),
    customer=Party("Ada"),
    lines=(DocumentLine("Plan", eur(-111_105), discount=eur(12_345), tax_rate=Decimal("0.19")),),
    subtotal=eur(-98_760),
    discounts=(("", eur(12_345)),),
    net=eur(-111_105),
    taxes=(TaxLine("", Decimal(0), eur(-111_105), eur(0)),),
    total=eur(-111_105),
    amount_due=eur(0),
    credit_applied=eur(-45),
    is_reverse_charge=True,
    has_prices_with_tax=True,
)


@pytest.mark.parametrize(
    ("tag", "language", "issued", "amount"),
    [
        ("pt-BR", "pt", "9 de mar. de 2026", "-€ 1.111,05"),
        ("pt_AO", "pt", "09/03/2026", "-1 111,05 €"),
        ("pt-XX", "pt", "09/03/2026", "-1 111,05 €"),
        ("de-AT", "de", "09.03.2026", "-€ 1.111,05"),
        ("en-GB", "en", "9 Mar 2026", "-€1,111.05"),
    ],
)
def test_a_region_writes_amounts_and_dates_as_it_does_in_the_words_of_its_language(tag, language, issued, amount):
    data, words = to_data(DOCUMENT, Speech(tag)), WORDS[language]
    assert data["language"] == language
    assert dict(data["facts"])[words["issued"]].translate(SPACES) == issued
    assert data["lines"][0]["amount"].translate(SPACES) == amount


@pytest.mark.parametrize(
    ("language", "title", "issued", "amount"),
    [
        ("en", "Credit note", "Mar 9, 2026", "-€1,111.05"),
        ("de", "Gutschrift", "09.03.2026", "-1.111,05 €"),
        ("fr", "Avoir", "9 mars 2026", "-1 111,05 €"),
        ("es", "Factura rectificativa", "9 mar 2026", "-1.111,05 €"),
        ("it", "Nota di credito", "9 mar 2026", "-1.111,05 €"),
        ("nl", "Creditnota", "9 mrt 2026", "€ -1.111,05"),
        ("pt", "Nota de crédito", "09/03/2026", "-1 111,05 €"),
        ("pl", "Faktura korygująca", "9 mar 2026", "-1 111,05 €"),
        ("ru", "Кредит-нота", "9 мар. 2026 г.", "-1 111,05 €"),
        ("ja", "クレジットノート", "2026年3月9日", "-€1,111.05"),
    ],
)
def test_each_language_writes_it_its_own_way(language, title, issued, amount):
    data, words = to_data(DOCUMENT, Speech(language)), WORDS[language]
    [line] = data["lines"]
    facts = dict(data["facts"])
    assert data["title"] == title
    assert facts[words["issued"]].translate(SPACES) == issued
    assert facts[words["corrects"]] == "INV-7"
    assert line["amount"].translate(SPACES) == amount
    assert line["details"][-1].startswith(f"{words['discount']}: ")
    assert data["notes"] == [words["reverse_charge"], words["prices_include_tax"]]
    labels = [row["label"] for row in data["totals"]]
    assert words["carried_forward"] in labels
    assert words["discount"] in labels
    assert data["badge"]["label"] == ""
