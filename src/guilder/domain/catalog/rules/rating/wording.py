"""The walk in words that a customer understands."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from guilder.domain.catalog.rules.rating.rated import Exact, Rated, Step, StepKind, exact_text, number
from guilder.kernel.currency import exponent
from guilder.kernel.money import written


def sentence(rated: Rated, *, unit: str = "units") -> str:
    """Say how the amount came about: "10 units free; 90 units at 0.10 EUR = 9.00 EUR. Together 9.00 EUR."."""
    currency = rated.amount.currency
    said = [_words(step, currency, unit) for step in rated.steps]
    if not said:
        return f"Nothing was used: {rated.amount}."
    words = "; ".join(said)
    uncapped = major(rated.exact, currency)
    if rated.is_capped:
        return f"{words}. Together {uncapped}, of which {rated.amount} at most is charged."
    if rated.exact != rated.amount.minor:
        return f"{words}. Together {uncapped}, rounded to {rated.amount}."
    return f"{words}. Together {rated.amount}." if len(said) > 1 else f"{words}."


def major(minor: Exact | Decimal, currency: str) -> str:
    """Write an exact amount in major units with at least the currency's digits: `0.125 EUR`, `9.00 EUR`, `5 JPY`."""
    numerator, denominator = minor.as_integer_ratio()
    if denominator == 1:
        return written(numerator, currency)
    value = Fraction(numerator, denominator * 10 ** exponent(currency))
    text = exact_text(value)
    if "/" in text:
        # No decimal can hold it: six digits say enough, and that they are not all.
        text = f"about {exact_text(Fraction(round(value * 10**6), 10**6))}"
    return f"{text} {currency}"


# Prices are few, and stand in every line again; what lines come to does not.
_price = lru_cache(4_096)(major)


def _words(step: Step, currency: str, unit: str) -> str:
    return step.said((currency, unit), lambda: _WORDS[step.kind](step, currency, unit))


def _free(step: Step, currency: str, unit: str) -> str:
    return f"{_counted(step.units, unit)} free"


def _flat(step: Step, currency: str, unit: str) -> str:
    return f"{_price(step.flat_amount, currency)} whatever is used"


def _units(step: Step, currency: str, unit: str) -> str:
    return _times(step, currency, _counted(step.units, unit))


def _packages(step: Step, currency: str, unit: str) -> str:
    return _times(step, currency, _counted(step.units, "whole packages"))


def _events(step: Step, currency: str, unit: str) -> str:
    return _times(step, currency, _counted(step.units, "events"))


def _tier(step: Step, currency: str, unit: str) -> str:
    reach = _reach(step, number)
    flat = f" and {_price(step.flat_amount, currency)} for the tier" if step.flat_amount else ""
    each = f"{_counted(step.units, unit)} ({reach}) at {_price(step.unit_amount, currency)}"
    return f"{each}{flat} = {major(step.subtotal, currency)}"


def _percent(step: Step, currency: str, unit: str) -> str:
    share = f"{number(step.percent)} % of {major(step.units, currency)}"
    return f"{share} = {major(step.subtotal, currency)}"


def _percent_tier(step: Step, currency: str, unit: str) -> str:
    reach = _reach(step, lambda bound: major(bound, currency))
    flat = f" and {_price(step.flat_amount, currency)} for the tier" if step.flat_amount else ""
    share = f"{number(step.percent)} % of {major(step.units, currency)} ({reach})"
    return f"{share}{flat} = {major(step.subtotal, currency)}"


def _carried(step: Step, currency: str, unit: str) -> str:
    return f"what was used at its own prices = {major(step.subtotal, currency)}"


def _cell(step: Step, currency: str, unit: str) -> str:
    where = ", ".join(f"{name} {value}" for name, value in step.values) or "others"
    return _times(step, currency, f"{_counted(step.units, unit)} ({where})")


def _counted(units: Exact, unit: str) -> str:
    return f"{exact_text(units)} {unit.removesuffix('s') if units == 1 else unit}"


def _times(step: Step, currency: str, what: str) -> str:
    return f"{what} at {_price(step.unit_amount, currency)} = {major(step.subtotal, currency)}"


def _reach(step: Step, write: Callable[[Decimal], str]) -> str:
    above = write(step.above or Decimal(0))
    return f"above {above}" if step.up_to is None else f"above {above}, up to {write(step.up_to)}"


_WORDS: dict[StepKind, Callable[[Step, str, str], str]] = {
    StepKind.FREE: _free,
    StepKind.FLAT: _flat,
    StepKind.UNITS: _units,
    StepKind.TIER: _tier,
    StepKind.PACKAGES: _packages,
    StepKind.PERCENT: _percent,
    StepKind.PERCENT_TIER: _percent_tier,
    StepKind.EVENTS: _events,
    StepKind.CARRIED: _carried,
    StepKind.CELL: _cell,
}
assert set(_WORDS) == set(StepKind)
