"""Totals: tax kept exact per line, rounded once per rate, and shared out again so that the lines add up to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from guilder.domain.invoicing.model import AppliedRate, TaxTotal
from guilder.kernel.money import Money, ratio_half_up, total
from guilder.kernel.noun import replace

HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Taxable:
    """A line after discounts. `tax` is known already where it gives back a part of a tax."""

    amount: Money
    rate: AppliedRate
    is_inclusive: bool = False
    tax: Money | None = None


@dataclass(frozen=True, slots=True)
class Taxed:
    """What the lines come to: net and tax of each, in order, and the tax of each rate."""

    nets: tuple[Money, ...]
    line_taxes: tuple[Money, ...]
    subtotal: Money
    tax: Money
    total: Money
    taxes: tuple[TaxTotal, ...]


def tax_of(net_minor: int, percent: Decimal) -> int:
    """Return the tax on a net amount, rounded half-up once."""
    share, of = percent.as_integer_ratio()
    return ratio_half_up(net_minor * share, of * HUNDRED)


def tax_within(gross_minor: int, percent: Decimal) -> int:
    """Return the tax that an amount contains, rounded half-up once: gross * p / (100 + p)."""
    share, of = percent.as_integer_ratio()
    return ratio_half_up(gross_minor * share, of * HUNDRED + share)


def giving_back(line: Taxable, *, net_left: int, tax_left: int) -> Taxable:
    """Return a line that gives back a part of another, of which so much is left: with all that is left goes all of its tax,
    and with a part no more than that. Rounded with other lines, a line can have less tax than it would have alone.
    """
    back, share = -line.amount.minor, Fraction(line.rate.percent) / HUNDRED
    whole = net_left + tax_left if line.is_inclusive else net_left
    exact = back * share / (1 + share) if line.is_inclusive else back * share
    if back > whole or (back < whole and ceil(exact) <= tax_left):
        return line
    net = back - tax_left if line.is_inclusive else back
    return replace(line, amount=replace(line.amount, minor=-net), tax=replace(line.amount, minor=-tax_left))


def of(lines: Sequence[Taxable], *, currency: str) -> Taxed:
    """Work out net and tax of lines.

    The tax of a rate is rounded once for all prices without tax, and once for all prices that contain it. A line's own
    tax is what the running total grows by when it is added: so the lines of a rate add up to its tax, and none is off
    by more than a unit.
    """
    so_far: dict[tuple[AppliedRate, bool], tuple[int, int]] = {}
    net_of: dict[AppliedRate, int] = {}
    tax_of_rate: dict[AppliedRate, int] = {}
    nets, taxes = [], []
    for line in lines:
        tax = _tax(line, so_far)
        net = line.amount.minor - tax if line.is_inclusive and line.tax is None else line.amount.minor
        nets.append(Money(net, currency))
        taxes.append(Money(tax, currency))
        net_of[line.rate] = net_of.get(line.rate, 0) + net
        tax_of_rate[line.rate] = tax_of_rate.get(line.rate, 0) + tax
        assert line.amount.currency == currency, line
    subtotal, tax_total = total(nets, currency), total(taxes, currency)
    shown = tuple(
        TaxTotal(
            name=rate.name,
            percent=rate.percent,
            net=Money(net_of[rate], currency),
            tax=Money(tax_of_rate[rate], currency),
            legal_note=rate.legal_note,
            code=rate.code,
        )
        for rate in sorted(net_of, key=lambda rate: (rate.percent, rate.code, rate.name))
    )
    return Taxed(tuple(nets), tuple(taxes), subtotal, tax_total, subtotal + tax_total, shown)


def _tax(line: Taxable, so_far: dict[tuple[AppliedRate, bool], tuple[int, int]]) -> int:
    """Return what the tax of a rate grows by; `so_far` is what came before, and the tax on it."""
    if line.tax is not None:
        return line.tax.minor
    key = (line.rate, line.is_inclusive)
    worked_out = tax_within if line.is_inclusive else tax_of
    amount, tax = so_far.get(key, (0, 0))
    amount += line.amount.minor
    so_far[key] = amount, worked_out(amount, line.rate.percent)
    return so_far[key][1] - tax
