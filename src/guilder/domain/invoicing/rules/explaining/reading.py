"""Reading what was written into a line when it was billed. Lines of earlier releases wrote less; it is read the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from guilder.domain.invoicing.model import Line, LineKind
from guilder.kernel.money import Money
from guilder.kernel.period import Period

Said = Mapping[str, Any]

EXCLUSIVE, INCLUSIVE, KNOWN = "once_per_rate", "once_per_rate_from_the_gross", "as_part_of_a_tax"
# What is told in a place of its own is not told again among the inputs.
_OWN_PLACE = frozenset(
    {"rule", "sentence", "priced", "period", "full_period", "share", "part", "unused", "covered", "unit", "basis"}
    | {"steps", "discounts", "tax", "rounding", "amount"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of a full period that is billed, or of what was billed that is given back."""

    numerator: int
    denominator: int
    unit: str  # microsecond, day, day_30, period
    basis: str

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOff:
    """What a discount took off a line; with tax where the price contains it. `of` is what was left before it."""

    code: str
    name: str
    percent: Decimal | None
    of: Money
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxReason:
    """The tax of a line: `exact` before rounding, in minor units; `amount` is its part of what its rate was rounded to."""

    percent: Decimal
    code: str
    exact: Fraction
    amount: Money
    is_inclusive: bool
    rounding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a line is what it is. `price` is before discounts, in the price's own terms: with tax where it contains it."""

    line: Line
    rule: str
    inputs: Mapping[str, object]
    period: Period | None
    full_period: Period | None
    share: Share | None
    tiers: tuple[Mapping[str, object], ...]
    price: Money
    discounts: tuple[TakenOff, ...]
    tax: TaxReason
    rounding: str
    is_reproduced: bool  # the amount follows from what is said here, to the last unit
    sentence: str


def rule_of(line: Line) -> str:
    return str(line.explanation.get("rule", ""))


def inputs_of(line: Line) -> Mapping[str, object]:
    return {name: value for name, value in line.explanation.items() if name not in _OWN_PLACE}


def steps_of(said: Said) -> tuple[Mapping[str, object], ...]:
    return tuple(said.get("steps") or ())


def full_period_of(line: Line) -> Period | None:
    """Return the full period that a part is measured against; None where the line bills no part of one."""
    said = line.explanation
    if "full_period" in said:
        return period_from(said["full_period"])
    # Before credits named what they credit, a change called the full period its period.
    is_of_old = "changed_at" in said and "period" in said
    return period_from(said["period"]) if is_of_old else None


def period_from(said: object) -> Period:
    starts_at, ends_at = cast("Sequence[str]", said)
    return Period(datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at))


def share_of(line: Line) -> Share | None:
    """Return the share in the units that it was measured in, which are the same share as the fraction that was used."""
    said = line.explanation
    if line.kind is LineKind.COMMITMENT or "share" not in said:
        return None
    used = cast("tuple[int, int]", said["share"])
    basis = str(said.get("basis", "second"))
    unit = str(said.get("unit", "period" if Fraction(*used) == 1 else "part"))
    measured = _measured(said)
    if measured is not None and Fraction(*measured[:2]) == Fraction(*used):
        *_, unit = measured
        used = measured[:2]
    numerator, denominator = used
    return Share(numerator=numerator, denominator=denominator, unit=unit, basis=basis)


def _measured(said: Said) -> tuple[int, int, str] | None:
    part, covered = said.get("part") or said.get("unused"), said.get("covered")
    if not part:
        return None
    if covered is None or covered["numerator"] == covered["denominator"]:
        return part["numerator"], part["denominator"], part["unit"]
    if part["denominator"] != covered["denominator"] or not covered["numerator"]:
        return None
    return part["numerator"], covered["numerator"], part["unit"]


def discounts_of(line: Line) -> tuple[TakenOff, ...]:
    currency = line.amount.currency
    return tuple(
        TakenOff(
            code=each["code"],
            name=each.get("name", ""),
            percent=Decimal(each["percent"]) if "percent" in each else None,
            of=Money(each["before"], currency),
            amount=Money(each["off_this_line"], currency),
        )
        for each in cast("Sequence[Said]", line.explanation.get("discounts") or ())
    )


def gross_of(line: Line) -> Money | None:
    """Return what is left of a price that contains its tax; None where it does not."""
    tax = cast("Said", line.explanation.get("tax") or {})
    return Money(tax["gross"], line.amount.currency) if tax.get("is_inclusive") else None


def tax_of(line: Line) -> TaxReason:
    gross, percent = gross_of(line), Fraction(line.tax_percent)
    if _is_known(line):
        exact, rounding = Fraction(line.tax.minor), KNOWN
    elif gross is not None:
        exact, rounding = gross.minor * percent / (100 + percent), INCLUSIVE
    else:
        exact, rounding = line.amount.minor * percent / 100, EXCLUSIVE
    return TaxReason(
        percent=line.tax_percent,
        code=line.tax_code,
        exact=exact,
        amount=line.tax,
        is_inclusive=gross is not None,
        rounding=rounding,
    )


def _is_known(line: Line) -> bool:
    """Say whether the tax is a part of one that was worked out before: of what is given back."""
    tax = cast("Said", line.explanation.get("tax") or {})
    return bool(tax.get("is_known"))
