from datetime import date
from decimal import Decimal

import pytest

from guilder.domain.invoicing.rules.document import (
    Days,
    DocumentLine,
    InvoiceDocument,
    Kind,
    Party,
    PaymentMade,
    Standing,
    TaxLine,
    to_data,
)
from guilder.domain.invoicing.rules.wording import WORDS
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.words import LANGUAGES, Speech

ENGLISH = Speech("en")


def euros(minor):
    return Money(minor, "EUR")


def an_invoice(**changes):
    november = Days(date(2026, 11, 1), date(2026, 12, 1))
    line = DocumentLine("Scale plan", euros(10_000), november, Decimal(1), Decimal(100), Decimal("0.19"))
    invoice = InvoiceDocument(
        kind=Kind.INVOICE,
        standing=Standing.DUE,
        number="INV-1",
        issued_on=date(2026, 11, 1),
        due_on=date(2026, 11, 15),
        period=november,
        issuer=Party("Northwind GmbH", ("Torstraße 12", "Berlin"), "DE1", "HRB 1"),
        customer=Party("Ada"),
        lines=(line,),
        subtotal=euros(10_000),
        discounts=(("", euros(1_000)),),
        net=euros(9_000),
        taxes=(TaxLine("", Decimal("0.19"), euros(9_000), euros(1_710)),),
        total=euros(10_710),
        amount_due=euros(10_710),
        pay_url="https://pay.example/c/1",
    )
    return replace(invoice, **changes)


def rows(data):
    return [(row["label"], row["amount"]) for row in data["totals"]]


def test_every_language_has_every_word_and_no_empty_one():
    assert set(WORDS) == set(LANGUAGES)
    for language, words in WORDS.items():
        assert set(words) == set(WORDS["en"]), language
        assert all(words.values()), language


def test_the_totals_are_told_in_the_order_they_are_worked_out():
    assert rows(to_data(an_invoice(credit_applied=euros(710)), ENGLISH)) == [
        ("Subtotal", "€100.00"),
        ("Discount", "-€10.00"),
        ("Net amount", "€90.00"),
        ("Tax 19% (€90.00)", "€17.10"),
        ("Total", "€107.10"),
        ("Credit applied", "-€7.10"),
    ]


def test_a_country_is_written_out_under_the_address_in_the_readers_language():
    there = an_invoice(customer=Party("Ada", ("1 Main Street", "Dublin"), "IE1", email="ada@x.example", country="IE"))
    shown = [to_data(there, Speech(language))["customer"]["lines"][2] for language in ("en", "de")]
    assert shown == ["Ireland", "Irland"]
    assert to_data(there, ENGLISH)["customer"]["lines"] == [
        "1 Main Street",
        "Dublin",
        "Ireland",
        "ada@x.example",
        "VAT ID: IE1",
    ]


def test_a_period_is_printed_with_its_last_day_and_not_the_day_after():
    data = to_data(an_invoice(), ENGLISH)
    assert ["Period", "Nov 1\u2009–\u200930, 2026"] in data["facts"]
    one_day = to_data(an_invoice(period=Days(date(2026, 11, 1), date(2026, 11, 2))), ENGLISH)
    assert ["Period", "Nov 1, 2026"] in one_day["facts"]


def test_what_is_due_is_the_headline_and_can_be_paid():
    data = to_data(an_invoice(), ENGLISH)
    assert data["headline"] == {"label": "Amount due", "amount": "€107.10"}
    assert data["badge"]["label"] == ""
    assert data["pay_url"] == "https://pay.example/c/1"


def test_a_paid_invoice_says_so_with_day_and_method_and_asks_for_nothing():
    paid = PaymentMade(date(2026, 11, 2), euros(10_710), "Visa •••• 4242")
    data = to_data(an_invoice(standing=Standing.PAID, payments=(paid,), amount_due=euros(0)), ENGLISH)
    assert data["badge"] == {"label": "Paid", "detail": "Nov 2, 2026 · Visa •••• 4242"}
    assert data["due"] == {"label": "Amount due", "amount": "€0.00"}
    assert rows(data)[-1] == ("Amount paid", "-€107.10")
    assert data["pay_url"] == ""


@pytest.mark.parametrize("standing", [Standing.VOID, Standing.DRAFT])
def test_what_is_void_or_a_draft_wears_a_badge_and_cannot_be_paid(standing):
    data = to_data(an_invoice(standing=standing), ENGLISH)
    assert data["badge"]["label"] == WORDS["en"][standing]
    assert data["pay_url"] == ""


def test_a_credit_note_names_what_it_corrects_and_never_has_an_amount_due():
    data = to_data(an_invoice(kind=Kind.CREDIT_NOTE, corrects_number="INV-0"), ENGLISH)
    assert ["Corrects invoice", "INV-0"] in data["facts"]
    assert data["headline"]["label"] == "Total"
    assert data["due"]["label"] == ""


def test_the_duty_of_the_recipient_to_pay_the_tax_is_said():
    assert to_data(an_invoice(is_reverse_charge=True), Speech("nl"))["notes"] == ["Btw verlegd."]
