from datetime import date
from decimal import Decimal

import pytest

from guilder.kernel.currency import EXPONENTS
from guilder.kernel.money import Money
from guilder.platform.words import (
    LANGUAGES,
    country_name,
    format_days,
    format_money,
    format_number,
    format_percent,
    format_price,
    language_of,
    printable,
    tag_of,
)


@pytest.mark.parametrize(
    ("money", "language", "shown"),
    [
        (Money(123_450, "EUR"), "en", "€1,234.50"),
        (Money(123_450, "EUR"), "de", "1.234,50\xa0€"),
        (Money(-500, "USD"), "en", "-$5.00"),
        (Money(1_500, "JPY"), "ja", "￥1,500"),
        (Money(1_234, "KWD"), "en", "KWD\xa01.234"),
        (Money(150, "ISK"), "en", "ISK\xa0150"),
        (Money(100, "EUR"), "xx-unknown", "€1.00"),
    ],
)
def test_money_is_written_as_its_reader_writes_it(money, language, shown):
    assert format_money(money, language) == shown


def test_money_of_every_currency_keeps_the_digits_of_iso_4217_and_not_those_of_the_locale_data():
    for currency, digits in EXPONENTS.items():
        shown = format_money(Money(10**digits + 1, currency), "en")
        assert shown.endswith("1." + "1".rjust(digits, "0") if digits else "2"), (currency, shown)


def test_a_unit_price_keeps_every_digit_it_has():
    assert format_price(Decimal("0.0035"), "USD", "en") == "$0.0035"
    assert format_price(Decimal(99), "USD", "en") == "$99.00"
    assert format_price(Decimal("0.000000000001"), "EUR", "de") == "0,000000000001\xa0€"


def test_a_country_is_called_what_its_reader_calls_it():
    assert [country_name("IE", language) for language in ("en", "de", "fr-CH")] == ["Ireland", "Irland", "Irlande"]
    assert country_name("XI", "de") == "XI"


def test_a_quantity_and_a_rate_are_exact():
    assert format_number(Decimal("12350.123456789"), "en") == "12,350.123456789"
    assert format_percent(Decimal("0.0875"), "en") == "8.75%"
    assert format_percent(Decimal("0.055"), "fr") == "5,5\xa0%"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_span_of_days_names_both_ends_in_every_language(language):
    shown = format_days(date(2026, 10, 21), date(2026, 11, 20), language)
    assert "21" in shown
    assert "20" in shown


@pytest.mark.parametrize(
    ("tag", "language"), [("de-AT", "de"), ("pt_BR", "pt"), ("sv", "en"), ("", "en"), ("../x", "en"), ("EN", "en")]
)
def test_a_language_tag_finds_our_words_or_english(tag, language):
    assert language_of(tag) == language


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("de-AT", "de_AT"),
        ("pt_BR", "pt_BR"),
        ("pt", "pt_PT"),
        ("por", "pt_PT"),
        ("pt-XX", "pt_PT"),
        ("en-GB", "en_GB"),
        ("sv", "en"),
        ("", "en"),
    ],
)
def test_amounts_are_written_by_the_region_of_a_tag_whose_words_are_ours(tag, written):
    assert tag_of(tag) == written


@pytest.mark.parametrize(
    ("text", "breaks", "shown"),
    [
        ("Ada\r\nBcc: eve", " ", "Ada Bcc: eve"),
        ("a\u2028b\u0085c\rd", " ", "a b c d"),
        ("a\tb", "\n", "a b"),
        ("pay \u202e001\u202c", "\n", "pay 001"),
        ("nul\x00 bell\x07 esc\x1b[31m", "\n", "nul bell esc[31m"),
        ("שלום 日本語 😀 Żółw", "\n", "שלום 日本語 😀 Żółw"),
    ],
)
def test_what_is_printed_reads_as_it_looks(text, breaks, shown):
    assert printable(text, breaks=breaks) == shown
