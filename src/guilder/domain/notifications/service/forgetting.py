"""A customer's own: what was said to it handed over, and forgotten with it, or when it is old."""

from collections.abc import AsyncIterator
from datetime import datetime

from guilder.domain.notifications.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    async for each in forgetting.messages(tx, customer_id):
        yield each
    async for each in forgetting.wishes(tx, customer_id):
        yield each


async def forget_customer(tx: Tx, *, customer: Ref) -> None:
    """Keep that something was said, when and of what kind; not what, nor to which address. What waits is not sent."""
    await forgetting.forget(tx, customer)


async def cut_off(tx: Tx, *, before: datetime, limit: int) -> int:
    """Forget what old messages said; return how many."""
    return await forgetting.cut_off(tx, before=before, limit=limit)


async def old_messages(tx: Tx, *, before: datetime, limit: int) -> int:
    """Count messages that would be cut, up to `limit`."""
    return await forgetting.count_old(tx, before=before, limit=limit)
