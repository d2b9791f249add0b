"""How many numbers are given up after a restore: those that invoices may bear which the backup does not know."""

SPARED_MIN = 10


def spared(*, busiest: int, at_least: int) -> int:
    """Return how many to give up, where the busiest stretch as long as what was lost took `busiest`.

    Twice that: business may have grown. A gap that is explained costs nothing; a number that is on two invoices does.
    """
    return max(2 * busiest, at_least, SPARED_MIN)
