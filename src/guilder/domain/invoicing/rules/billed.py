"""What was billed of a stretch of use, by which lines, and how what was too much is given back of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from guilder.domain.invoicing.model import AppliedRate, NewLine
from guilder.kernel.money import Money, round_half_up
from guilder.kernel.noun import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A line that billed some of it; `kept` and `left` as of `Billed`, of this line alone."""

    line_id: UUID
    taxed_as: AppliedRate
    kept: Fraction
    left: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """What was billed for a charge and group of a stretch so far, and how the line for most of it was taxed.

    `kept` is what was left of its price after discounts: what is given back is given back at that. `left` is the most
    that can be: not what was voided, written off, credited before, refunded, or paid for by a gift. None: there is no
    such limit. `parts` are all lines that billed it, the largest first, where there are several and it is known what is
    left of each.
    """

    amount: Money
    number: int  # of the last billing of it; the first one is 1
    invoice_number: str = ""
    line_id: UUID | None = None
    taxed_as: AppliedRate | None = None
    kept: Fraction = Fraction(1)
    left: Money | None = None
    parts: tuple[Part, ...] = ()

    def back(self, difference: Money) -> Money:
        """Return what is given back of a difference below zero.

        Of what comes to nothing all goes back, with what each billing of it was rounded by.
        """
        back = difference.times_half_up(self.kept)
        if self.left is None:
            return back
        is_all = -difference == self.amount and self.left.minor + back.minor <= self.number
        return -self.left if is_all else max(back, -self.left)


def of_each_line(line: NewLine | None, billed: Billed | None, total: Money) -> list[NewLine]:
    """Share what a line gives back, of what now comes to `total`, out over the lines that billed it: none gives more than
    it has. Any other line is left as it is."""
    if line is None:
        return []
    if line.amount.minor >= 0 or billed is None or not billed.parts or -line.amount <= billed.parts[0].left:
        return [line]
    difference = total - billed.amount
    is_all = total.is_zero and -line.amount.minor == sum(part.left.minor for part in billed.parts)
    made, rest = [], Fraction(-difference.minor)
    for number, part in enumerate(billed.parts, start=1):
        wanted = round_half_up(rest * part.kept)
        back = part.left.minor if is_all else min(wanted, part.left.minor)
        if back:
            made.append(_of_line(line, part, replace(line.amount, minor=-back), number))
            rest -= back / part.kept
        if part.kept and back == wanted and not is_all:
            break
    return made


def _of_line(line: NewLine, part: Part, amount: Money, number: int) -> NewLine:
    said: Mapping[str, object] = {
        **line.explanation,
        "amount": amount.minor,
        "kept": [part.kept.numerator, part.kept.denominator],
        "left": -amount.minor,
        "sentence": f"{line.explanation['sentence']} Of several lines that billed it, {-amount} goes back of this one.",
    }
    return replace(
        line,
        amount=amount,
        taxed_as=part.taxed_as,
        credits_line_id=part.line_id,
        billed_item=line.billed_item if number == 1 else f"{line.billed_item}:{number}",
        explanation=said,
    )
