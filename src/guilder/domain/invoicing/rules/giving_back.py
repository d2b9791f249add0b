"""What an invoice can still give back: money and credit together are never more than what it was paid with.

What a credit note takes back of a paid invoice was given back before (by a refund, or to a bank), and the note is its
document; or else it becomes credit. A refund that pays credit out is no second gift, and counts for nothing here.
docs/design/refunds.md has the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from guilder.domain.invoicing.rules.correcting import CreditTooLarge
from guilder.kernel.ids import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """How an invoice stands, in minor units.

    `paid`: what came in, and the credit that paid it. `refunded`: what went back of it, or is on its way. `back`: of
    that, what is back. `disputed`: what banks hold or took; `lost`: what they took for good. `credited`: what became
    credit. `documented`: what notes document of `back` and `lost`.
    """

    paid: int
    refunded: int = 0
    back: int = 0
    disputed: int = 0
    lost: int = 0
    credited: int = 0
    documented: int = 0

    @property
    def left(self) -> int:
        return max(self.paid - self.refunded - self.disputed - self.credited, 0)

    @property
    def to_document(self) -> int:
        return max(self.back + self.lost - self.documented, 0)

    @property
    def lost_to_document(self) -> int:
        """What banks took for good and no note documents yet: refunds are documented first."""
        return max(self.lost - max(self.documented - self.back, 0), 0)


class Charged(NamedTuple):
    """A line of an invoice that charges something, with its tax, in minor units; and what is left of it uncredited."""

    line: Ref
    minor: int
    left: int


def gone(minor: int, charged: Sequence[Charged]) -> dict[Ref, Fraction]:
    """Return by line which part of it went back with money of its invoice that no note documents.

    It went back of all that the invoice charges: of each line its share. What a line has not left any more, since notes
    took it back, went back of the others.
    """
    of = sum(each.minor for each in charged)
    if of <= 0:
        return {}
    share = Fraction(min(minor, of), of)
    left = {each.line: each.left - each.minor * share for each in charged}
    over = -sum(min(each, Fraction(0)) for each in left.values())
    room = sum((max(each, Fraction(0)) for each in left.values()), Fraction(0))
    more = min(over / room, Fraction(1)) if room else Fraction(1)
    return {
        each.line: (each.left - max(left[each.line], Fraction(0)) * (1 - more)) / each.minor
        for each in charged
        if each.left > 0
    }


def went(minor: int, part: Fraction) -> int:
    """Return what of an amount on a line went back with this part of it, rounded up: no line gives more than it has."""
    return ceil(minor * part) if minor > 0 else 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a note's amount is: new credit, the document of refunds, the document of what banks took."""

    credit: int
    refunds: int
    losses: int

    @property
    def documented(self) -> int:
        return self.refunds + self.losses


def parts(amount: int, given: Given) -> Parts:
    """Share a note's amount out: what is left becomes credit, and only what went back before is documented.

    :raises CreditTooLarge: that is less; something may be on its way back, or with a bank that has not decided
    """
    credit = min(amount, given.left)
    return _shared(credit, amount - credit, given)


def document(amount: int, given: Given) -> Parts:
    """Take all of a note for the document of what went back before.

    :raises CreditTooLarge: less went back, and has no document yet
    """
    return _shared(0, amount, given)


def withheld(credited: int, *, paid_by_credit: int) -> int:
    """Return what of an invoice's money is refunded no more: credit that was given back, beyond credit that paid it."""
    return max(credited - paid_by_credit, 0)


def _shared(credit: int, documented: int, given: Given) -> Parts:
    if documented > given.to_document:
        raise CreditTooLarge(f"only {credit + given.to_document} of it can be given back now", field="refund")
    refunds = min(documented, max(given.back - given.documented, 0))
    return Parts(credit, refunds, documented - refunds)
