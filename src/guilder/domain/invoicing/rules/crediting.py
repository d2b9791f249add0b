"""Customer credit: what of it pays an invoice, oldest first (see docs/design/credit.md)."""

from collections.abc import Sequence

from guilder.domain.identity.model import Issuer
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


def carried(due_minor: int, issuer: Issuer, currency: str, *, is_sent: bool) -> int:
    """Return what of an amount that is due is carried to the next invoice: what is over the multiples that can be charged,
    and all of it where a provider does not take so little.

    What is sent to be paid has no least amount.
    """
    if due_minor <= 0:
        return 0
    over = due_minor % issuer.increment(currency)
    minimum = 0 if is_sent else issuer.minimum_charges.get(currency, 0)
    return due_minor if due_minor - over < minimum else over
