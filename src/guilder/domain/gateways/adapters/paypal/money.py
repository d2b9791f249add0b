"""Between our minor units and PayPal's decimal strings. What PayPal cannot take exactly is refused, never rounded."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from guilder.kernel.currency import exponent
from guilder.kernel.money import Money

# PayPal's own list, with the digits that it takes: no fractions of HUF, JPY and TWD, whatever ISO 4217 says of them.
DIGITS = {
    **dict.fromkeys(
        ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "ILS", "MXN", "MYR", "NOK", "NZD"), 2
    ),
    **dict.fromkeys(("PHP", "PLN", "RUB", "SEK", "SGD", "THB", "USD"), 2),
    **dict.fromkeys(("HUF", "JPY", "TWD"), 0),
}
CURRENCY_NOT_SUPPORTED = "currency_not_supported"
AMOUNT_NOT_CHARGEABLE = "amount_not_chargeable"
_VALUE = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,6})?", re.ASCII)


def why_not(amount: Money) -> str:
    """Return the code by which PayPal cannot be asked for this amount; nothing where it can."""
    digits = DIGITS.get(amount.currency)
    if digits is None:
        return CURRENCY_NOT_SUPPORTED
    return AMOUNT_NOT_CHARGEABLE if amount.minor % 10 ** (exponent(amount.currency) - digits) else ""


def to_paypal(amount: Money) -> dict[str, str]:
    assert not why_not(amount), amount
    value = Decimal(amount.minor).scaleb(-exponent(amount.currency))
    return {"currency_code": amount.currency, "value": f"{value:.{DIGITS[amount.currency]}f}"}


def from_paypal(said: object, *, is_signed: bool = False) -> Money | None:
    """Read an amount; None where it is none, or not whole in our minor units. Signed: a ledger's."""
    if not isinstance(said, Mapping):
        return None
    return _read(said, is_signed=is_signed)


def _read(said: Mapping[str, Any], *, is_signed: bool) -> Money | None:
    currency, value = said.get("currency_code"), said.get("value")
    if not isinstance(currency, str) or currency not in DIGITS or not isinstance(value, str):
        return None
    if not _VALUE.fullmatch(value):
        return None
    minor = Decimal(value).scaleb(exponent(currency))
    if minor != minor.to_integral_value() or not -(2**62) < minor < 2**62 or (minor < 0 and not is_signed):
        return None
    return Money(int(minor), currency)
