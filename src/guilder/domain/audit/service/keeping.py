"""Keeping: months are made ahead, and dropped whole when they are old."""

from datetime import date, timedelta

from guilder.domain.audit.model import Class
from guilder.domain.audit.store import chains as store
from guilder.platform.db.tx import Tx

MONTHS_AHEAD = 3


async def make_months(tx: Tx, *, today: date) -> int:
    """Make this month's table and those of the next ones; return how many were missing."""
    return await store.add_months(tx, today, ahead=MONTHS_AHEAD)


async def drop_old(tx: Tx, *, today: date, days: int, sandbox_days: int) -> int:
    """Drop months that ended longer ago than these days; return how many tables.

    What each chain goes on from is kept, and announced.
    """
    businesses = await store.drop_months(tx, Class.BUSINESS, today - timedelta(days=days))
    return businesses + await store.drop_months(tx, Class.SANDBOX, today - timedelta(days=sandbox_days))
