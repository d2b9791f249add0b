"""Between our minor units and Stripe's, which differ for a few currencies. Exactly, or not at all: never rounded."""

from guilder.kernel.currency import exponent, is_currency
from guilder.kernel.money import Money

# Stripe counts these in whole units.
ZERO_DECIMAL = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
# In thousandths, of which the last digit is 0: the card networks take no more than two.
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# In hundredths as long ago, and yet only whole units are charged.
WHOLE_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
# HUF and TWD are whole in payouts only: a charge has two decimals, as elsewhere. These two Stripe does not list at all,
# and a guess at their unit would be wrong by a factor of ten.
NOT_LISTED = frozenset({"IQD", "LYD"})
_POWERS = (1, 10, 100, 1000)


class NotChargeable(Exception):
    """This amount cannot be charged exactly; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def to_stripe_amount(money: Money) -> int:
    """Return the amount as Stripe counts it.

    :raises NotChargeable: `amount_not_chargeable` (it would have to be rounded), or `currency_not_supported`
    """
    if money.currency in NOT_LISTED:
        raise NotChargeable("currency_not_supported")
    scaled, rest = divmod(money.minor * _POWERS[decimals(money.currency)], _POWERS[exponent(money.currency)])
    if rest or scaled % step(money.currency):
        raise NotChargeable("amount_not_chargeable")
    return scaled


def from_stripe_amount(amount: object, currency: object) -> Money | None:
    """Read an amount and a currency as Stripe writes them; None where they are none, or no whole minor units of ours."""
    if type(amount) is not int or not 0 <= amount < 2**53 or not isinstance(currency, str):
        return None
    code = currency.upper()
    if not is_currency(code) or code in NOT_LISTED:
        return None
    minor, rest = divmod(amount * _POWERS[exponent(code)], _POWERS[decimals(code)])
    return None if rest else Money(minor, code)


def decimals(currency: str) -> int:
    """Return how many digits Stripe's unit has after the point."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """Return what Stripe's amounts of this currency are multiples of."""
    if currency in WHOLE_IN_HUNDREDTHS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1
