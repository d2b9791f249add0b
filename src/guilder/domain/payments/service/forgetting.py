"""A customer's own: what it paid with and paid handed over, and what says who paid forgotten. The money stays."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.domain.payments.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    for records in (forgetting.methods, forgetting.payments, forgetting.refunds, forgetting.disputes):
        async for each in records(tx, customer_id):
            yield each


async def open_matters(tx: Tx, *, customer: Ref) -> list[tuple[str, UUID]]:
    """Return payments and refunds under way, and disputes: while one is, their customer cannot be forgotten."""
    return await forgetting.open_ones(tx, customer)


async def forget_customer(tx: Tx, *, customer: Ref) -> None:
    """Remove the saved methods and what describes them, and what people wrote. Amounts, dates and references stay.

    Providers are not told: no port of ours takes a method away from them. Without its token nobody can charge it here.
    """
    await forgetting.forget(tx, customer)
