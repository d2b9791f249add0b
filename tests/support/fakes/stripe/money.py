"""What Stripe's integers are worth, written down again from its list of currencies: the adapter has its own."""

from decimal import Decimal

from tests.support.fakes.stripe.state import Refusal

_WHOLE = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
_THOUSANDTHS = ("bhd", "jod", "kwd", "omr", "tnd")
_ONLY_WHOLE = ("isk", "ugx")
_UNKNOWN = ("iqd", "lyd", "irr", "kpw", "cup", "syp")


def worth(amount: int, currency: str) -> Decimal:
    """Return the amount in the currency's own units: 1 for a yen, 1 for a hundred cents."""
    if currency in _WHOLE:
        return Decimal(amount)
    return Decimal(amount) / (1000 if currency in _THOUSANDTHS else 100)


def check(amount: int, currency: str) -> None:
    if currency != currency.lower() or len(currency) != 3 or currency in _UNKNOWN:
        raise Refusal(400, "", f"Invalid currency: {currency}.", param="currency")
    if amount < 1 or amount > 99_999_999_999:
        code = "amount_too_small" if amount < 1 else "amount_too_large"
        raise Refusal(400, code, "This amount is not charged.", param="amount")
    if currency in _ONLY_WHOLE and amount % 100:
        code = "invalid_charge_amount_no_decimal_compatible"
        raise Refusal(400, code, "Charged amounts must be evenly divisible by 100.", param="amount")
    if currency in _THOUSANDTHS and amount % 10:
        raise Refusal(400, "invalid_amount", "The last digit must be 0.", param="amount")


def fee(amount: int) -> int:
    """Return what Stripe takes: 2.9 % and 30, in the unit of the charge."""
    return amount * 29 // 1000 + 30
