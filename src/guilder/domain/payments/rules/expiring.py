"""When the customer of a card is told that it runs out: 30 days before the end of its month, and 7 days before."""

from datetime import UTC, datetime, timedelta

WARNINGS = (timedelta(days=30), timedelta(days=7))
_YEARS = range(1, 9999)
_MONTHS = range(1, 13)
_DECEMBER = 12


def ends_at(exp_year: int, exp_month: int) -> datetime | None:
    """Return the first instant at which a card is good no more; None where it says nothing of that.

    A card is good to the end of its month. Which zone's midnight that is no issuer says: UTC's.
    """
    if exp_year not in _YEARS or exp_month not in _MONTHS:
        return None
    if exp_month == _DECEMBER:
        return datetime(exp_year + 1, 1, 1, tzinfo=UTC)
    return datetime(exp_year, exp_month + 1, 1, tzinfo=UTC)


def next_warning(exp_year: int, exp_month: int, *, now: datetime) -> datetime | None:
    """Return when to warn next after now: each warning is given once, and one whose time has passed never."""
    end = ends_at(exp_year, exp_month)
    if end is None:
        return None
    return next((end - before for before in WARNINGS if end - before > now), None)


def days_left(exp_year: int, exp_month: int, *, now: datetime) -> int:
    """Return how many days a card is still good for, the one that has begun among them."""
    end = ends_at(exp_year, exp_month)
    assert end is not None, (exp_year, exp_month)
    return max(-((now - end) // timedelta(days=1)), 0)
