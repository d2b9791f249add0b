"""Unused time that is not given back yet: its money is on its way back, or with a bank that has not decided.

What ends then gives back what is left without that money, and its line says how much more it would have been. Where the
refund fails, or the dispute is won, so much is given back after all: never more than is left by then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing.model import Draft, NewLine
from guilder.domain.invoicing.rules.correcting import Back, Left
from guilder.domain.invoicing.rules.giving_back import went
from guilder.kernel.ids import Ref
from guilder.kernel.money import round_half_up
from guilder.kernel.noun import replace


@dataclass(frozen=True, slots=True)
class Withheld:
    """A credit of unused time, the line that it credits, and what of the time was withheld then and not given since (net)."""

    credit_id: UUID
    line_id: UUID
    minor: int


def marked(credit: NewLine, for_good: NewLine) -> NewLine:
    """Say on a credit how much more it would be (`for_good`) if what may still come back had come back."""
    withheld = credit.amount - for_good.amount
    if withheld.minor <= 0:
        return credit
    said = {
        **credit.explanation,
        "withheld": withheld.minor,
        "sentence": f"{credit.explanation['sentence']} {withheld} more is given back if the refund that is on its way fails, "
        "or the dispute is won.",
    }
    return replace(credit, explanation=said)


def is_worth_saying(credit: NewLine) -> bool:
    return not credit.amount.is_zero or "withheld" in credit.explanation


def back(
    left: Sequence[Left], withheld: Sequence[Withheld], gone: Mapping[Ref, Fraction], *, at_most: int
) -> list[tuple[Back, Withheld]]:
    """Return what of withheld time is given back now: of each line no more than is neither credited nor gone, and of all
    together, with tax, no more than `at_most`."""
    lines = {each.line.id: each for each in left}
    part = {ref.id: share for ref, share in gone.items()}
    found = []
    for each in withheld:
        line = lines[each.line_id]
        net = min(each.minor, line.net - went(line.line.amount.minor, part.get(each.line_id, Fraction(0))))
        if net <= 0 or at_most <= 0:
            continue
        if (gross := net + _tax_of(line, net)) > at_most:
            net = net * at_most // gross
        given = Back(line.line, net, _tax_of(line, net))
        at_most -= given.net + given.tax
        lines[each.line_id] = replace(line, net=line.net - given.net, tax=line.tax - given.tax)
        if net:
            found.append((given, each))
    return found


def named(draft: Draft, given: Sequence[tuple[Back, Withheld]]) -> Draft:
    """Say on each line of a note which withheld time it gives back: it is given once."""
    of = [each for _, each in given]
    lines = [
        replace(
            line,
            billed_item=f"{line.billed_item}:{each.credit_id}",
            explanation={**line.explanation, "withheld_of": str(each.credit_id)},
        )
        for line, each in zip(draft.lines, of, strict=True)
    ]
    return replace(draft, lines=tuple(lines))


def _tax_of(left: Left, net: int) -> int:
    return left.tax if net == left.net else round_half_up(Fraction(left.tax * net, left.net))
