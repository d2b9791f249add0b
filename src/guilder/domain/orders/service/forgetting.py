"""A customer's own: its orders handed over, and its names in them forgotten."""

from collections.abc import AsyncIterator
from datetime import datetime

from guilder.domain.orders.rules.change import When
from guilder.domain.orders.service.ending import cancel
from guilder.domain.orders.store import forgetting
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx


async def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    async for each in forgetting.records(tx, customer_id):
        yield each
    async for each in forgetting.charges(tx, customer_id):
        yield each


async def end_all(tx: Tx, *, customer: Ref, now: datetime) -> None:
    """End every subscription of a customer now; what was used is billed for the last time. What a provider bills itself is
    ended there."""
    for ref in await subscriptions.going_on(tx, customer=customer):
        # An add-on ends with what it was added to.
        if ref in await subscriptions.going_on(tx, customer=customer):
            await cancel(tx, subscription_id=ref.id, when=When.NOW, now=now)


async def forget_customer(tx: Tx, *, customer: Ref, alias: str, name: str) -> None:
    """Keep no metadata and no words; `name` is the organization id by which requests may have named the customer."""
    await forgetting.forget(tx, customer, alias=alias, name=name)
