"""A customer's own: its access handed over, and its names in it forgotten."""

from collections.abc import AsyncIterator

from guilder.domain.entitlements.store import forgetting
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    async for each in forgetting.grants(tx, customer_id):
        yield each
    async for each in forgetting.blocks(tx, customer_id):
        yield each


async def forget_customer(tx: Tx, *, customer: Ref, alias: str) -> None:
    """Write the pseudonym for the organization id: whoever asks by that finds nobody."""
    await forgetting.forget(tx, customer, alias=alias)
