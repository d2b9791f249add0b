"""Words for people: amounts, numbers and dates as the reader's language writes them. For display only, never for sums."""

import copy
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError, dates, numbers
from babel.numbers import NumberPattern

from guilder.kernel.currency import exponent
from guilder.kernel.money import Money

FALLBACK = "en"
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "ru", "ja")

# Where a language alone would be written as it is somewhere else than our words for it are spoken.
_SPOKEN_IN = {"pt": "pt_PT", "por": "pt_PT"}
_FRACTION_DIGITS_MAX = 12
_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[A-Za-z])(?=[0-9])")
# Marks that turn the direction of the text after them: a name that holds one could show "100" as "001".
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS = frozenset("\n\r\u0085\u2028\u2029")


@lru_cache(maxsize=256)
def locale_of(language: str) -> Locale:
    """Return the locale of a tag like "de", "de-AT" or "pt_BR"; the language alone, then English, where it is unknown."""
    tag = language.replace("-", "_")
    for candidate in (tag, tag.partition("_")[0]):
        try:
            return Locale.parse(_SPOKEN_IN.get(candidate, candidate))
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(FALLBACK)


def language_of(language: str) -> str:
    """Return the language of a tag if its words are in our tables, else English."""
    spoken = locale_of(language).language
    return spoken if spoken in LANGUAGES else FALLBACK


def tag_of(language: str) -> str:
    """Return the tag that amounts and dates are written by: with its region, if the words of its language are in our tables."""
    locale = locale_of(language)
    return str(locale) if locale.language in LANGUAGES else FALLBACK


@lru_cache(maxsize=512)
def _money_pattern(language: str, digits_min: int, digits_max: int) -> NumberPattern:
    # Babel's own number of digits differs from ISO 4217 for 13 currencies, so ours is set on the pattern.
    pattern: NumberPattern = copy.copy(locale_of(language).currency_formats["standard"])
    pattern.frac_prec = (digits_min, digits_max)
    return pattern


def format_money(money: Money, language: str) -> str:
    """Write an amount exactly, with its currency: "€1,234.50", "1.234,50 €"."""
    digits = exponent(money.currency)
    return _in_currency(Decimal(money.minor).scaleb(-digits), money.currency, language, (digits, digits))


def format_price(price: Decimal, currency: str, language: str) -> str:
    """Write a unit price in major units with all its digits: a price may be finer than the minor unit ("$0.0035")."""
    least = exponent(currency)
    return _in_currency(price, currency, language, (least, max(least, _FRACTION_DIGITS_MAX)))


def _in_currency(amount: Decimal, currency: str, language: str, digits: tuple[int, int]) -> str:
    pattern = _money_pattern(language, *digits)
    shown = str(pattern.apply(amount, locale_of(language), currency=currency, currency_digits=False))
    # A code in letters stands apart from its digits (CLDR says so, Babel does not): "KWD 1.234", but "€5".
    return _LETTER_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", shown)


def format_number(number: Decimal, language: str) -> str:
    """Write a quantity with all its digits and none that mean nothing: "1,000", "0.5"."""
    return numbers.format_decimal(number, locale=locale_of(language), decimal_quantization=False)


def format_percent(rate: Decimal, language: str) -> str:
    """Write a rate where 0.19 is nineteen per cent."""
    return numbers.format_percent(rate, locale=locale_of(language), decimal_quantization=False)


def country_name(code: str, language: str) -> str:
    """Return what a country is called: "Ireland" or "Irland" for "IE"; its code, where it is no country that is known."""
    return str(locale_of(language).territories.get(code, code))


def format_date(day: date, language: str) -> str:
    return dates.format_date(
        day, format="long" if language_of(language) == "ja" else "medium", locale=locale_of(language)
    )


def format_days(first: date, last: date, language: str) -> str:
    """Write a span of days, both of them included: "Jan 1 – 31, 2026"."""
    return dates.format_interval(first, last, skeleton="yMMMd", locale=locale_of(language))


def printable(text: str, *, breaks: str = "\n") -> str:
    """Return text that prints as it reads: no control characters, and none that turn the direction of what follows.

    A tab becomes a space, and line breaks become `breaks`: a space where one line is meant, such as the subject of a mail.
    """
    joined = text.replace("\r\n", "\n").replace("\t", " ")
    kept = (breaks if each in _BREAKS else each for each in joined if each in _BREAKS or _is_shown(each))
    return "".join(kept)


def _is_shown(letter: str) -> bool:
    return letter not in _TURNING and unicodedata.category(letter) not in {"Cc", "Cs"}


@dataclass(frozen=True, slots=True)
class Speech:
    """The formats of one language, for those who may not know how they are made."""

    language: str

    def money(self, money: Money) -> str:
        return format_money(money, self.language)

    def price(self, price: Decimal, currency: str) -> str:
        return format_price(price, currency, self.language)

    def number(self, number: Decimal) -> str:
        return format_number(number, self.language)

    def percent(self, rate: Decimal) -> str:
        return format_percent(rate, self.language)

    def country(self, code: str) -> str:
        return country_name(code, self.language)

    def day(self, day: date) -> str:
        return format_date(day, self.language)

    def days(self, first: date, last: date) -> str:
        return format_days(first, last, self.language)
