"""Exact decimals: how a number is read from a property, added up without loss, and rounded where it must be."""

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

DIGITS_MAX = 18
PLACES_MAX = 12
VALUE_END = Decimal(10) ** DIGITS_MAX
_WHOLE = Decimal(1)
# Python's own context rounds to 28 digits; sums of 30-digit values need more, and must not be rounded at all.
_WIDE = Context(prec=500, rounding=ROUND_HALF_UP)
_NUMBER = re.compile(rf"-?(0|[1-9][0-9]{{0,{DIGITS_MAX - 1}}})(\.[0-9]{{1,{PLACES_MAX}}})?")
NUMBER_PATTERN = f"^{_NUMBER.pattern}$"


def number(text: str) -> Decimal | None:
    """Read an exact number such as "0.0125"; None if it is written in any other way."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def fits(value: Decimal) -> bool:
    """Say whether a value has at most 18 digits before the point and 12 after it."""
    if not value.is_finite():
        return False
    # `abs` would round to Python's own context before it is compared. What is written with few places has few.
    return value.copy_abs() < VALUE_END and (_is_whole(value) or _is_short(value) or rounded(Fraction(value)) == value)


def fitted(value: Decimal) -> Decimal | None:
    """Return a value that fits without zeros that say nothing; None if it does not fit."""
    # As nearly all are written, soon seen: a whole number, and not the zero that may have a sign.
    if value.same_quantum(_WHOLE) and value and -VALUE_END < value < VALUE_END:
        return value
    return tidy(value) if fits(value) else None


def total(values: Iterable[Decimal]) -> Decimal:
    found = Decimal(0)
    for value in values:
        found = _WIDE.add(found, value)
    return tidy(found)


def carried(value: Decimal, properties: Mapping[str, str], name: str) -> Decimal:
    """Return what an event carries under this name: of no name its value, of a property that is no number nothing."""
    if not name:
        return value
    return number(properties.get(name, "")) or Decimal(0)


def rounded(value: Fraction) -> Decimal:
    """Round half-up (a half goes away from zero) to 12 decimal places."""
    scale = 10**PLACES_MAX
    numerator, denominator = abs(value.numerator) * scale, value.denominator
    units = (2 * numerator + denominator) // (2 * denominator)
    return tidy(_WIDE.scaleb(Decimal(units if value >= 0 else -units), -PLACES_MAX))


def tidy(value: Decimal) -> Decimal:
    """Return the same number without zeros that say nothing: 3 for 3.000."""
    if value == 0:
        return Decimal(0)
    if _is_whole(value):
        return value
    short = value.normalize(_WIDE)
    return short.quantize(Decimal(1), context=_WIDE) if short == short.to_integral_value(context=_WIDE) else short


def _is_whole(value: Decimal) -> bool:
    """Say quickly whether a finite number is written without a point or an exponent, as whole numbers mostly are."""
    return value.same_quantum(_WHOLE)


def _is_short(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -PLACES_MAX
