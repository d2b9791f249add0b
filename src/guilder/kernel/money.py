"""Money: whole minor units of one currency. No float, and division only where its rounding has a name."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from msgspec import Struct

from guilder.kernel.currency import EXPONENTS, exponent

MINOR_MAX = 2**63 - 1


class Money(Struct, frozen=True, order=True):
    """An exact amount: whole minor units of one currency."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        assert type(self.minor) is int, self
        assert -MINOR_MAX <= self.minor <= MINOR_MAX, self
        assert self.currency in EXPONENTS, self

    def __add__(self, other: "Money") -> "Money":
        assert self.currency == other.currency, (self, other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        assert self.currency == other.currency, (self, other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(self.minor * times, self.currency)

    def __str__(self) -> str:
        return written(self.minor, self.currency)

    @property
    def is_zero(self) -> bool:
        return self.minor == 0

    def times_half_up(self, share: Fraction | Decimal) -> "Money":
        """Take a share, rounded half-up (away from zero) to the minor unit."""
        return Money(round_half_up(self.minor * Fraction(share)), self.currency)

    def split(self, weights: list[int]) -> list["Money"]:
        """Share out by weight so that the parts always add up to the whole."""
        assert weights, weights
        assert all(weight >= 0 for weight in weights), weights
        total = sum(weights)
        assert total > 0, weights
        given, passed, parts = 0, 0, []
        for weight in weights:
            passed += weight
            upto = self.minor * passed // total
            parts.append(Money(upto - given, self.currency))
            given = upto
        return parts


def zero(currency: str) -> Money:
    return Money(0, currency)


def total(amounts: list[Money], currency: str) -> Money:
    assert all(each.currency == currency for each in amounts), (amounts, currency)
    return Money(sum(each.minor for each in amounts), currency)


def written(minor: int, currency: str) -> str:
    """Write an amount in major units, with all digits that the currency has: "12.30 EUR", "-0.05 EUR", "5 JPY"."""
    sign, size, digits = "-" if minor < 0 else "", abs(minor), exponent(currency)
    if not digits:
        return f"{minor} {currency}"
    whole, part = divmod(size, 10**digits)
    return f"{sign}{whole}.{part:0{digits}d} {currency}"


def round_half_up(exact: Fraction | int) -> int:
    """Round to a whole number, halves away from zero: 2.5 -> 3, -2.5 -> -3."""
    return ratio_half_up(exact.numerator, exact.denominator)


def ratio_half_up(numerator: int, denominator: int) -> int:
    """Round `numerator / denominator`, which is exact, as `round_half_up` does; what it is divided by is above zero."""
    assert denominator > 0, denominator
    if denominator == 1:
        return numerator
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -rounded if numerator < 0 else rounded


def from_decimal(amount: Decimal, currency: str) -> Money:
    """Read an amount in major units ("12.30"), rounded half-up to the minor unit."""
    return Money(int(amount.scaleb(exponent(currency)).quantize(Decimal(1), ROUND_HALF_UP)), currency)
