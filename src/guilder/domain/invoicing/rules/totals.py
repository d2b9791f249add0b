"""Totals: net lines, tax rounded once per rate and shared out again so that the lines add up to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from guilder.domain.invoicing.model import TaxTotal
from guilder.kernel.money import Money, round_half_up, total

HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Taxed:
    """What the lines come to: the tax of each, in order, and the tax of each rate."""

    line_taxes: tuple[Money, ...]
    subtotal: Money
    tax: Money
    total: Money
    taxes: tuple[TaxTotal, ...]


def tax_of(net_minor: int, percent: Decimal) -> int:
    """Return the tax on a net amount, rounded half-up once."""
    return round_half_up(Fraction(net_minor) * Fraction(percent) / HUNDRED)


def of(lines: Sequence[tuple[Money, Decimal]], *, currency: str, rate_names: dict[Decimal, tuple[str, str]]) -> Taxed:
    """Work out the tax of (net amount, percentage) lines.

    The tax of a rate is rounded once, on its whole net. A line's own tax is what the running total grows by when it is
    added: so the lines of a rate add up to its tax, and none is off by more than a unit.
    `rate_names` gives each percentage its name and legal note.
    """
    net_so_far: dict[Decimal, int] = {}
    line_taxes = []
    for amount, percent in lines:
        before = net_so_far.get(percent, 0)
        after = before + amount.minor
        line_taxes.append(Money(tax_of(after, percent) - tax_of(before, percent), currency))
        net_so_far[percent] = after
    taxes = tuple(
        TaxTotal(
            name=rate_names.get(percent, ("", ""))[0],
            percent=percent,
            net=Money(net, currency),
            tax=Money(tax_of(net, percent), currency),
            legal_note=rate_names.get(percent, ("", ""))[1],
        )
        for percent, net in sorted(net_so_far.items())
    )
    subtotal = total([amount for amount, _ in lines], currency)
    tax = total(line_taxes, currency)
    return Taxed(tuple(line_taxes), subtotal, tax, subtotal + tax, taxes)
