"""Customer credit: what of it pays an invoice, oldest first (see docs/design/credit.md)."""

from collections.abc import Sequence

from guilder.domain.invoicing.model import Credit
from guilder.kernel.money import Money
from guilder.kernel.noun import replace


def draw(held: Sequence[Credit], total: Money) -> list[tuple[Credit, Money]]:
    """Return (credit as it is afterwards, what was taken of it) for an invoice of this total.

    What earlier invoices came to and was too little to collect is below zero, and is taken first and whole: it is owed
    with this invoice. The rest pays up to what is owed, in the order given.
    """
    if total.minor <= 0:
        return []
    owed = total.minor - sum(credit.left.minor for credit in held if credit.left.minor < 0)
    drawn = []
    for credit in held:
        taken = credit.left.minor if credit.left.minor < 0 else min(credit.left.minor, owed)
        if taken:
            owed -= max(taken, 0)
            amount = replace(total, minor=taken)
            drawn.append((replace(credit, left=credit.left - amount), amount))
    return drawn


def is_too_little(due_minor: int, minimum_minor: int | None) -> bool:
    """Say whether what is due is less than a provider takes, so that it is carried to the next invoice."""
    return minimum_minor is not None and 0 < due_minor < minimum_minor
