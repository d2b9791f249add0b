"""A customer's own: its use handed over; and properties, which may say anything, forgotten. What was counted stays."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.domain.usage.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    for records in (forgetting.months, forgetting.events, forgetting.alerts):
        async for each in records(tx, customer_id):
            yield each


async def forget_properties(tx: Tx, *, customer: Ref, limit: int) -> int:
    """Empty the properties of some of a customer's readings; return how many. Repeat until 0."""
    return await forgetting.forget_properties(tx, customer, limit=limit)


async def cut_properties(tx: Tx, *, after: UUID | None, before: UUID, limit: int) -> tuple[int, UUID | None]:
    """Empty the properties of old readings, some at a time; return how many had any, and how far this went."""
    return await forgetting.cut_properties(tx, after=after, before=before, limit=limit)
