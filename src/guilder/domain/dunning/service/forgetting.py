"""A customer's own: its cases handed over, and what people wrote of them forgotten."""

from collections.abc import AsyncIterator
from uuid import UUID

from guilder.domain.dunning.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    async for each in forgetting.cases(tx, customer_id):
        yield each
    async for each in forgetting.changes(tx, customer_id):
        yield each


async def open_matters(tx: Tx, *, customer: Ref) -> list[tuple[str, UUID]]:
    """Return the cases that are not closed: while one is, their customer cannot be forgotten."""
    return [("dunning_case_open", case_id) for case_id in await forgetting.open_cases(tx, customer)]


async def forget_customer(tx: Tx, *, customer: Ref) -> None:
    """Keep what happened, and none of the words in which a person said why."""
    await forgetting.forget(tx, customer)
