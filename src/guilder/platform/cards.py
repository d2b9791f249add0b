"""Card numbers never enter, and are never shown: the one look for them, of the edge and of the log.

A card number is 13 to 19 digits (of any script: full-width and Arabic-Indic ones too) that begin as a network's do and
whose check digit is right, whole or in groups set apart by spaces, dashes, dots and the like. So that little else is
taken for one, these are left alone: digits within a word (`ch_4111…`), UUIDs, IBANs whose own check digits are right,
telephone numbers behind a plus, and decimal fractions. docs/security/data.md says how often chance still finds one.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

DIGITS_MIN: Final = 13
DIGITS_MAX: Final = 19
# The longest telephone number that is let by behind its plus: longer ones are hardly any, and Visa has 16 digits.
PHONE_MAX: Final = 14
FRACTION_WHOLE_MAX: Final = 6

# What people set between groups: spaces of every width, dashes, dots, slashes, and letters that are not seen at all.
_SEPARATORS = (
    r"\t\n\r \u00a0\u1680\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
    r"\-\u00ad\u2010-\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d._\u00b7\u2022\u2024\u2027\u30fb/"
)
_RUN = re.compile(rf"\d(?:[{_SEPARATORS}]{{0,3}}\d){{{DIGITS_MIN - 1},}}")
_GROUP = re.compile(r"\d+")
_UUID = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])")
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{1,4}){3,8}(?![0-9A-Za-z])", re.ASCII)

# First digits and lengths, as the networks publish them.
_NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-59]|[68]\d)\d{11,16}"  # Diners
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12,15}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5019|5020|5038|6304|6759|676[1-3])\d{8,15}"  # Maestro, Dankort
    r"|220[0-4]\d{12,15}"  # Mir
    r"|(?:60\d\d|508[5-9]|81\d\d|82\d\d)\d{12}"  # RuPay, Hipercard
    r"|(?:506[0-9]|509[0-9]|6363|6362)\d{12,15}"  # Verve, Elo
    r"|9792\d{12}"  # Troy
)


def looks_like_card(text: str) -> bool:
    """Tell whether a text holds what may be a card number, grouped in any way."""
    return next(spans(text), None) is not None


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where in the text card numbers stand, from first to behind the last digit, none within another."""
    if len(text) < DIGITS_MIN or _RUN.search(text) is None:
        return
    bare = _IBAN.sub(_blank_if_iban, _UUID.sub(_blank, text))
    for run in _RUN.finditer(bare):
        groups = [group.span() for group in _GROUP.finditer(bare, *run.span())]
        if not _is_fraction(bare, groups):
            yield from _in_groups(bare, groups)


def _in_groups(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Try whatever consecutive groups have the length of a card, since a number may stand beside another one."""
    plain = [_plain(text[start:end]) for start, end in groups]
    first = 0
    while first < len(groups):
        last = _longest(text, groups, plain, first)
        if last is not None:
            yield groups[first][0], groups[last][1]
        first = first + 1 if last is None else last + 1


def _longest(text: str, groups: list[tuple[int, int]], plain: list[str], first: int) -> int | None:
    """Return the last group of the longest card number that begins with group `first`."""
    found, digits = None, ""
    for last in range(first, len(groups)):
        digits += plain[last]
        if len(digits) > DIGITS_MAX:
            break
        if len(digits) < DIGITS_MIN or _NETWORKS.fullmatch(digits) is None or not _luhn(digits):
            continue
        if _stands_alone(text, groups[first][0], groups[last][1], len(digits)):
            found = last
    return found


def _stands_alone(text: str, start: int, end: int, size: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    if before.isalnum() or before == "_" or after.isalnum() or after == "_":
        return False
    return not (before == "+" and size <= PHONE_MAX)


def _plain(digits: str) -> str:
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(each)) for each in digits)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _is_fraction(text: str, groups: list[tuple[int, int]]) -> bool:
    """Tell 0.4166666666666667 from a number in groups: one dot or comma, and few digits before it."""
    if len(groups) != 2:
        return False
    (start, point), (after, _) = groups
    return after == point + 1 and text[point] in ".," and point - start <= FRACTION_WHOLE_MAX


def _blank(found: re.Match[str]) -> str:
    return "x" * len(found.group())


def _blank_if_iban(found: re.Match[str]) -> str:
    plain = found.group().replace(" ", "")
    turned = plain[4:] + plain[:4]
    is_iban = 15 <= len(plain) <= 34 and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1
    return _blank(found) if is_iban else found.group()
