"""Working an amount out again from what its line says of itself, and from nothing else.

One entry a rule: whoever bills by a rule that is not here has not said why, and a test says so.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import cast

from guilder.domain.invoicing.model import Line
from guilder.domain.invoicing.rules.explaining.reading import Said, discounts_of, gross_of, rule_of
from guilder.kernel.money import Money, round_half_up
from guilder.kernel.noun import replace


def price_of(line: Line) -> Money:
    """Return the price before discounts: as its rule works it out, or, of a rule that is not known, as it was billed."""
    work = RULES.get(rule_of(line))
    if work is None:
        return _billed_price(line)
    said = line.explanation
    price = Money(work(said), line.amount.currency)
    # Of a line that prepaid credits paid in part, each of the two parts is a line: they add up to what was worked out.
    split = cast("Said", said.get("split") or {})
    return replace(price, minor=split["part"]) if split and split["of"] == price.minor else price


def reckon(line: Line) -> Money:
    """Work the line's net amount out again: the price, less its discounts, less the tax that it contains."""
    left = price_of(line)
    for each in discounts_of(line):
        left = left - each.amount
    # The tax within is rounded once for all prices of its rate; the line's part of that is what it was given.
    return left if gross_of(line) is None else left - line.tax


def _billed_price(line: Line) -> Money:
    left = gross_of(line) or line.amount
    for each in discounts_of(line):
        left = left + each.amount
    return left


def walked(steps: Sequence[Said]) -> Fraction:
    """Add up the steps of a walk, each worked out from its own numbers."""
    return sum((step_amount(step) for step in steps), start=Fraction(0))


def step_amount(step: Said) -> Fraction:
    """Return what a step comes to: units at their price, or so much per cent of them, and the flat fee."""
    if step["kind"] == "free":
        return Fraction(0)
    units, flat = Fraction(step["units"]), Fraction(step.get("flat_amount", 0))
    if step["kind"] == "flat":
        return flat
    if step["kind"] == "carried":
        return units
    if "percent" in step:
        return units * Fraction(step["percent"]) / 100 + flat
    return units * Fraction(step.get("unit_amount", 0)) + flat


def _fee(said: Said) -> int:
    full = round_half_up(walked(said["steps"])) if said.get("steps") else said["unit_amount"] * said["quantity"]
    return round_half_up(full * _share(said))


def _times(said: Said) -> int:
    return round_half_up(said["unit_amount"] * Fraction(said.get("quantity", 1)))


def _named(said: Said) -> int:
    """Return an amount that somebody decided on: there is nothing to work out."""
    amount: int = said["amount"]
    return amount


def _drawn(said: Said) -> int:
    return -sum(int(part["amount"]) for part in said["pays_for"])


def _credit(said: Said) -> int:
    # Capped at what was left of the line that is given back a part of.
    unused = round_half_up(said["full_amount"] * _share(said))
    left: int = said.get("left", unused)
    return -max(min(unused, left), 0)


def _charge(said: Said) -> int:
    return round_half_up(said["full_amount"] * _share(said))


def _use(said: Said) -> int:
    rated = round_half_up(walked(said["steps"]))
    if said.get("cap") is not None:
        rated = min(rated, said["cap"])
    difference = rated - said.get("billed_before", 0)
    # What is given back is given back at what it was billed for, after its discounts.
    return _as_is_left(said, round_half_up(difference * (Fraction(*said["kept"]) if "kept" in said else 1)))


def _commitment(said: Said) -> int:
    parts = zip(said["commitment"], said["share"], strict=True)
    least = sum(round_half_up(whole * Fraction(*share)) for whole, share in parts)
    missing = max(least - said["fees"] - said["use"], 0)
    return _as_is_left(said, int(missing - said["billed_before"]))


def _as_is_left(said: Said, difference: int) -> int:
    """Give no more back than was left of what was billed."""
    left: int | None = said.get("left")
    if left is None:
        return difference
    # Of what comes to nothing, what earlier roundings kept goes back with the rest.
    return -left if said.get("is_all") else max(difference, -left)


def _share(said: Said) -> Fraction:
    return Fraction(*said["share"]) if "share" in said else Fraction(1)


RULES: dict[str, Callable[[Said], int]] = {
    "flat_fee_in_advance": _fee,
    "flat_fee_in_arrears": _fee,
    "one_off": _times,
    "by_hand": _times,
    "prepaid_credits_bought": _named,
    "prepaid_credits": _drawn,
    "correction": _named,
    "proration_credit": _credit,
    "proration_charge": _charge,
    "proration_reinstated": _charge,
    "use_in_arrears": _use,
    "late_use": _use,
    "minimum_commitment": _commitment,
}
